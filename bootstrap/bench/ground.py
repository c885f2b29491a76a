"""What a bench stands on: a PostgreSQL of its own in a folder that is removed afterwards, its databases, its merchants.

The folder has to lie on the disk that is to be measured: a folder in memory makes every commit look free.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.local_stack import child, installation, ports, state
from bootstrap.local_stack.child import Child, Identity
from bootstrap.local_stack.guilder_service import is_healthy
from bootstrap.local_stack.postgres import PostgresServer
from bootstrap.local_stack.servers import ServerFailedError, postgres_server, tail, wait_until_ready
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from migrations import migrate

SHARDS: Final = 16
MERCHANTS: Final = 16
PREFIX: Final = "bench-"
OWNER_FILE: Final = "owner.json"
_STARTED_WITHIN_S: Final = 60.0
_STOPPED_WITHIN_S: Final = 15.0
_POLL_S: Final = 0.05


@dataclass(frozen=True)
class Ground:
    """A running PostgreSQL, and a folder for whatever else runs; `processes` collects what is ended with it."""

    home: Path
    postgres: PostgresServer
    processes: ExitStack

    def dsn(self, database: str) -> str:
        """The superuser's DSN of one database of this PostgreSQL."""
        return urlunsplit(urlsplit(self.postgres.dsn())._replace(path=f"/{database}"))

    def create_database(self, name: str) -> str:
        """A new, empty database; its DSN."""
        self.postgres.ensure_database(name)
        return self.dsn(name)

    def execute(self, database: str, statement: str) -> Any:
        """Run one statement in a database; the first value of its answer."""

        async def asked() -> Any:
            connection: Any = await asyncpg.connect(self.dsn(database))
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(asked())

    def start(self, name: str, command: Sequence[str], port: int, environment: Mapping[str, str]) -> Child:
        """Start a server of this ground and wait until it answers on `port`. Raises ServerFailedError."""
        log_path = self.home / "logs" / f"{name}.log"
        server = child.start(
            name, [sys.executable, *command], log_path=log_path, environment={**clean_environment(), **environment}
        )
        self.processes.callback(server.stop, timeout_s=_STOPPED_WITHIN_S)
        for _ in range(int(_STARTED_WITHIN_S / _POLL_S)):
            if server.listens_on(port) and is_healthy(port):
                return server
            if server.exit_code is not None:
                break
            time.sleep(_POLL_S)
        raise ServerFailedError(f"{name} does not answer; its log ends so:\n{tail(log_path)}")


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that configures an installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")}


@contextmanager
def prepared_ground(folder: Path) -> Iterator[Ground]:
    """A PostgreSQL in a new folder below `folder`; both are gone afterwards, on SIGTERM too.

    What a bench that was killed has left in `folder` is ended and removed first. To be entered from the main thread.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        home.chmod(0o711)  # PostgreSQL runs as another user when this runs as root
        me = Identity.of(os.getpid())
        assert me is not None
        (home / OWNER_FILE).write_bytes(msgspec.json.encode(me))
        with ExitStack() as processes:
            postgres = postgres_server(home, ports.choose([]))
            postgres.prepare()
            server = postgres.start()
            processes.callback(server.stop, timeout_s=postgres.stop_within_s)
            state.save(home, InstallationState(processes=[RecordedProcess.of(server)]))
            wait_until_ready(postgres, server)
            yield Ground(home, postgres, processes)
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(home, ignore_errors=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def sweep(folder: Path) -> None:
    """End the servers, and remove the folders, of benches that were killed."""
    for home in folder.glob(f"{PREFIX}*"):
        try:
            owner = msgspec.json.decode((home / OWNER_FILE).read_bytes(), type=Identity)
        except (OSError, msgspec.DecodeError):
            continue  # another bench is just making it
        if not owner.is_alive:
            installation.end(home)
            shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Merchant:
    """A merchant of the bench and its key of test mode."""

    id: UUID
    key: str


def install(ground: Ground, database: str) -> tuple[Merchant, ...]:
    """Guilder's tables in a new database of that name, and merchants spread over its shards."""
    dsn = ground.create_database(database)

    async def joined() -> tuple[Merchant, ...]:
        await migrate(dsn, shards=SHARDS)
        store = await EventStore.open(StoreOptions(dsn=dsn))
        try:
            desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
            keys = []
            for number in range(MERCHANTS):
                merchant_id = await desk.register(f"Merchant {number}", "NL")
                keys.append(await desk.issue_key(merchant_id, livemode=False))
            return tuple(Merchant(key.merchant_id, key.text) for key in keys)
        finally:
            await store.close()

    return asyncio.run(joined())
