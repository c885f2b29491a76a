"""PostgreSQL and Kafka of one installation: where their files lie in its home, and bringing both up together."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bootstrap.local_stack import LocalStackError, ports, state
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.java import find_java
from bootstrap.local_stack.kafka import KafkaServer
from bootstrap.local_stack.kafka_jars import LockedJar, cache_path, fetch_jars, read_lock
from bootstrap.local_stack.postgres import PostgresServer
from bootstrap.local_stack.state import InstallationState, RecordedProcess

READY_WITHIN_S: Final = 90.0
POLL_S: Final = 0.1


class Server(Protocol):
    """What can be started and asked whether it is ready."""

    @property
    def log_path(self) -> Path: ...

    @property
    def ports(self) -> tuple[int, ...]: ...

    def start(self) -> Child: ...

    def is_ready(self) -> bool: ...


class ServerFailedError(LocalStackError):
    """A server ended, or did not answer in time, while it was being started."""


@dataclass(frozen=True)
class ServerAddresses:
    """Where the two servers answer: a superuser's DSN for PostgreSQL's maintenance database, and `host:port`."""

    postgres_dsn: str
    kafka_bootstrap: str


def postgres_server(home: Path, port: int) -> PostgresServer:
    """The installation's PostgreSQL; nothing is made or started yet."""
    return PostgresServer(
        data_path=home / "postgres",
        password_path=home / "postgres.password",
        log_path=home / "logs" / "postgres.log",
        port=port,
    )


def kafka_server(
    home: Path,
    port: int,
    controller_port: int,
    *,
    cache: Path | None = None,
    on_jar: Callable[[LockedJar], None] = lambda _jar: None,
) -> KafkaServer:
    """The installation's Kafka, with its jars fetched into `cache` if they were not there. Raises JarError."""
    return KafkaServer(
        data_path=home / "kafka",
        config_path=home / "kafka.properties",
        log_path=home / "logs" / "kafka.log",
        java=find_java(),
        jars=tuple(fetch_jars(cache_path(cache), read_lock(), on_jar)),
        port=port,
        controller_port=controller_port,
    )


def wait_until_ready(server: Server, process: Child, *, timeout_s: float = READY_WITHIN_S) -> None:
    """Return once `server` answers. Raises ServerFailedError with the end of its log when it ends or takes longer."""
    deadline = time.monotonic() + timeout_s
    while not (all(process.listens_on(port) for port in server.ports) and server.is_ready()):
        code = process.exit_code
        if code is not None or time.monotonic() > deadline:
            what = f"ended with {code}" if code is not None else f"did not answer within {timeout_s:.0f} s"
            raise ServerFailedError(f"{process.name} {what}; its log ends so:\n{tail(server.log_path)}")
        time.sleep(POLL_S)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@contextmanager
def running_servers(
    home: Path, *, cache: Path | None = None, postgres_port: int | None = None, kafka_port: int | None = None
) -> Iterator[ServerAddresses]:
    """Run both servers with their state in `home`, on free ports unless told, for as long as the context lasts.

    Must be entered from a thread that lives as long as the servers should (the main thread), for on Linux they are
    ended with it however it ends. Raises the errors of the two servers.
    """
    first = ports.choose([postgres_port])
    second = ports.choose([kafka_port], avoid=[first])
    controller = ports.choose([], avoid=[first, second])
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        postgres = postgres_server(home, first)
        pending = pool.submit(kafka_server, home, second, controller, cache=cache)
        postgres.prepare()
        postgres_child = postgres.start()
        stack.callback(postgres_child.stop, timeout_s=postgres.stop_within_s)
        state.save(home, InstallationState(processes=[RecordedProcess.of(postgres_child)]))
        kafka = pending.result()
        kafka.prepare()
        kafka_child = kafka.start()
        stack.callback(kafka_child.stop, timeout_s=kafka.stop_within_s)
        stack.callback(postgres_child.ask_to_stop)
        started = [RecordedProcess.of(postgres_child), RecordedProcess.of(kafka_child)]
        state.save(home, InstallationState(processes=started))
        wait_until_ready(postgres, postgres_child)
        wait_until_ready(kafka, kafka_child)
        yield ServerAddresses(postgres_dsn=postgres.dsn(), kafka_bootstrap=kafka.bootstrap_servers)
    state.save(home, InstallationState())
