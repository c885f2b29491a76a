"""The database's copies of the schema lock: every process that opens the store agrees with them or does not start."""

from typing import Any, Final

from schemas.canonical import canonical_json
from schemas.registry import registry

_INSERT: Final = """
INSERT INTO schema_registry (id, file, sha256, definition)
SELECT * FROM unnest($1::integer[], $2::text[], $3::bytea[], $4::text[])
ON CONFLICT (id) DO NOTHING
"""
_SELECT: Final = "SELECT id, file, sha256 FROM schema_registry"


class SchemaDisagreement(Exception):
    """The database knows a schema id with another hash: what is stored under it would be read as something else."""


async def agree_on_schemas(connection: Any) -> None:
    """Copy the lock's schemas that the database does not know yet, and compare all others.

    Raises:
        SchemaDisagreement: an id, or a file's name, stands for another schema there.
    """
    ours = {entry.id: (f"{entry.event_type}.v{entry.version}.avsc", entry) for entry in registry()}
    known = {row["id"]: row for row in await connection.fetch(_SELECT)}
    by_file = {row["file"]: number for number, row in known.items()}
    missing = [number for number in ours if number not in known]
    for number in missing:
        if (other := by_file.get(ours[number][0])) is not None:
            raise SchemaDisagreement(f"{ours[number][0]} is schema {other} in the database and {number} here")
    if missing:
        await connection.execute(
            _INSERT,
            missing,
            [ours[number][0] for number in missing],
            [ours[number][1].sha256 for number in missing],
            [canonical_json(ours[number][1].definition).decode() for number in missing],
        )
        known = {row["id"]: row for row in await connection.fetch(_SELECT)}
    for number, (file, entry) in ours.items():
        if known[number]["sha256"] != entry.sha256:
            raise SchemaDisagreement(f"schema {number} ({file}) has another hash in the database")
