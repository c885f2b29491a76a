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
from bootstrap.local_stack.servers import ServerFailedError, kafka_server, postgres_server, tail, wait_until_ready
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from bootstrap.merchant_desk import MerchantDesk
from bootstrap.settings import Settings
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
    postgres_process: Child
    processes: ExitStack

    def start_kafka(self) -> str:
        """A Kafka beside the PostgreSQL, for as long as the ground lasts; its bootstrap servers."""
        port = ports.choose([])
        kafka = kafka_server(self.home, port, ports.choose([], avoid=[port]), cache=Settings().cache)
        kafka.prepare()
        server = kafka.start()
        self.processes.callback(server.stop, timeout_s=kafka.stop_within_s)
        recorded = [RecordedProcess.of(self.postgres_process), RecordedProcess.of(server)]
        state.save(self.home, InstallationState(processes=recorded))
        wait_until_ready(kafka, server)
        return kafka.bootstrap_servers

    def dsn(self, database: str) -> str:
        """The superuser's DSN of one database of this PostgreSQL."""
        return urlunsplit(urlsplit(self.postgres.dsn())._replace(path=f"/{database}"))

    def create_database(self, name: str) -> str:
        """A new, empty database; its DSN."""
        self.postgres.ensure_database(name)
        return self.dsn(name)

    def copy_database(self, source: str, name: str) -> str:
        """A new database that holds what `source` does, to which nobody may be connected; its DSN."""
        self.execute("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        # What is granted on a database itself is not copied with it.
        self.execute("postgres", f'GRANT CREATE ON DATABASE "{name}" TO guilder_projections')
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
        server = self.launch(name, command, environment, self.processes)
        self.wait_for(server, port)
        return server

    def launch(self, name: str, command: Sequence[str], environment: Mapping[str, str], until: ExitStack) -> Child:
        """Start a program of ours that is ended with `until`; its log bears its name."""
        server = child.start(
            name,
            [sys.executable, *command],
            log_path=self._log_path(name),
            environment={**clean_environment(), **environment},
        )
        until.callback(server.stop, timeout_s=_STOPPED_WITHIN_S)
        return server

    def wait_for(self, server: Child, port: int) -> None:
        """Wait until `server` answers on `port`. Raises ServerFailedError."""
        for _ in range(int(_STARTED_WITHIN_S / _POLL_S)):
            if server.listens_on(port) and is_healthy(port):
                return
            if server.exit_code is not None:
                break
            time.sleep(_POLL_S)
        raise ServerFailedError(f"{server.name} does not answer; its log ends so:\n{tail(self._log_path(server.name))}")

    def _log_path(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


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
            yield Ground(home, postgres, server, processes)
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

    async def installed() -> tuple[Merchant, ...]:
        await migrate(dsn, shards=SHARDS)
        return await join(dsn)

    return asyncio.run(installed())


async def join(dsn: str, merchants: int = MERCHANTS) -> tuple[Merchant, ...]:
    """New merchants in an installed database, with a fee plan and a key each."""
    store = await EventStore.open(StoreOptions(dsn=dsn))
    try:
        desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        keys = []
        for number in range(merchants):
            merchant_id = await desk.register(f"Merchant {number}", "NL")
            await desk.set_fee_plan(merchant_id, rate_ppm=29_000, fixed={"EUR": 30}, refund_fee={})
            keys.append(await desk.issue_key(merchant_id, livemode=False))
        return tuple(Merchant(key.merchant_id, key.text) for key in keys)
    finally:
        await store.close()
