"""Apply and revert the numbered SQL files, one process at a time."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import asyncpg

# Any fixed number will do; this one spells "guilder" in ASCII.
_ADVISORY_LOCK: Final = int.from_bytes(b"guilder")
_FILE_NAME: Final = re.compile(r"(\d{4})_(\w+)\.up\.sql")
_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_migrations IS 'Which files of migrations/ this database was built from.';
COMMENT ON COLUMN schema_migrations.number IS 'The number at the front of the file''s name.';
COMMENT ON COLUMN schema_migrations.name IS 'The rest of the name.';
COMMENT ON COLUMN schema_migrations.sha256 IS 'SHA-256 of the file that was applied.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was applied.';
"""


class MigrationChanged(Exception):
    """A file that this database was built from has another text now. Changes are new files."""


class MigrationMissing(Exception):
    """This database was built from a file that is not here: an older program meets a newer database."""


class OtherNumberOfShards(Exception):
    """The installation was made with another number of shards, which is fixed for good."""


@dataclass(frozen=True)
class Migration:
    """One step of the database's shape, both ways."""

    number: int
    name: str
    up: str
    down: str

    @property
    def sha256(self) -> bytes:
        """What pins the text that was applied."""
        return hashlib.sha256(self.up.encode()).digest()


def migrations() -> tuple[Migration, ...]:
    """Every migration of this folder, by ascending number."""
    folder = files("migrations")
    found = []
    for path in folder.iterdir():
        if match := _FILE_NAME.fullmatch(path.name):
            number, name = match.groups()
            down = folder / f"{number}_{name}.down.sql"
            found.append(
                Migration(
                    number=int(number),
                    name=name,
                    up=path.read_text(encoding="utf-8"),
                    down=down.read_text(encoding="utf-8"),
                )
            )
    return tuple(sorted(found, key=lambda migration: migration.number))


async def migrate(dsn: str, *, shards: int, steps: Sequence[Migration] | None = None) -> None:
    """Bring the database to its newest shape, with `shards` shards (1 … 4096) if it has none yet.

    Safe to call at any time and from several processes at once. `steps` are this folder's files unless given.

    Raises:
        MigrationChanged: an applied file has another text now.
        MigrationMissing: the database was built from a file that is not here.
        OtherNumberOfShards: the installation has another number of shards.
    """
    known = migrations() if steps is None else steps
    async with _locked(dsn) as connection:
        applied = await _applied(connection, known)
        for step in known:
            if step.number in applied:
                continue
            async with connection.transaction():
                await connection.execute(step.up)
                await connection.execute(
                    "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
                    step.number,
                    step.name,
                    step.sha256,
                )
                if step is known[0]:
                    # In the first step's transaction: an installation has all its shards or does not exist, and later
                    # files may rely on them.
                    await _create_shards(connection, shards)
        async with connection.transaction():
            await _create_shards(connection, shards)


async def rollback(dsn: str, *, to: int, steps: Sequence[Migration] | None = None) -> None:
    """Take back every migration with a number above `to`, newest first; 0 takes back all. All of them or none.

    Raises:
        MigrationChanged, MigrationMissing: as `migrate` does.
        asyncpg.ObjectNotInPrerequisiteStateError: the log holds events and is not dropped.
    """
    known = migrations() if steps is None else steps
    async with _locked(dsn) as connection:
        applied = await _applied(connection, known)
        # What one of them refuses is not to have lost already what was built on it.
        async with connection.transaction():
            for step in reversed(known):
                if step.number > to and step.number in applied:
                    await connection.execute(step.down)
                    await connection.execute("DELETE FROM schema_migrations WHERE number = $1", step.number)


@asynccontextmanager
async def _locked(dsn: str) -> AsyncIterator[Any]:
    connection: Any = await asyncpg.connect(dsn, server_settings={"client_min_messages": "warning"})
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
        await connection.execute(_LEDGER)
        yield connection
    finally:
        await connection.close()  # which releases the lock


async def _applied(connection: Any, known: Sequence[Migration]) -> set[int]:
    by_number = {step.number: step for step in known}
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migrations ORDER BY number")
    for row in rows:
        step = by_number.get(row["number"])
        if step is None:
            raise MigrationMissing(f"the database was built from {row['number']:04}_{row['name']}, which is not here")
        if step.sha256 != row["sha256"]:
            raise MigrationChanged(f"{step.number:04}_{step.name}.up.sql has changed since it was applied")
    return {row["number"] for row in rows}


async def _create_shards(connection: Any, shards: int) -> None:
    await connection.execute("SET LOCAL ROLE guilder_owner")
    try:
        await connection.execute("SELECT create_shards($1)", shards)
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        raise OtherNumberOfShards(str(error)) from error
    await connection.execute("RESET ROLE")
