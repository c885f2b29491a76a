"""The local PostgreSQL: safe settings, started as whoever we are, and again after any end."""

import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bootstrap.local_stack import ports
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.postgres import PostgresServer, is_open_to
from bootstrap.local_stack.servers import postgres_server, wait_until_ready

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> PostgresServer:
    """A cluster in a directory that is closed to all others, as pytest's are: root has to reach into it all the same."""
    prepared = postgres_server(tmp_path_factory.mktemp("home"), ports.choose([]))
    prepared.prepare()
    return prepared


@pytest.fixture
def running(server: PostgresServer) -> Iterator[Child]:
    server.prepare()
    started = server.start()
    wait_until_ready(server, started)
    yield started
    started.stop(timeout_s=20)


async def test_a_commit_is_on_disk_and_a_password_is_asked_for(server: PostgresServer, running: Child) -> None:
    connection: Any = await asyncpg.connect(server.dsn())
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await connection.fetchval(f"SHOW {setting}") == "on"
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn().replace(server.password_path.read_text(), "guessed"))


async def test_the_database_is_made_once(server: PostgresServer, running: Child) -> None:
    server.ensure_database("shop")
    server.ensure_database("shop")
    connection: Any = await asyncpg.connect(server.dsn("shop"))
    assert await connection.fetchval("SELECT current_database()") == "shop"
    await connection.close()


async def test_data_survives_a_kill_of_the_postmaster(server: PostgresServer, running: Child) -> None:
    connection: Any = await asyncpg.connect(server.dsn())
    await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(10)
    connection.terminate()
    again = start_patiently(server)
    connection = await asyncpg.connect(server.dsn())
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()
    again.stop(timeout_s=20)


def start_patiently(server: PostgresServer) -> Child:
    """Start anew as the supervisor does: the backends of a killed postmaster take a moment to notice and go."""
    for _ in range(20):
        started = server.start()
        try:
            wait_until_ready(server, started)
        except Exception:  # noqa: BLE001, S112 - the assertion below speaks of whatever it was
            continue
        return started
    raise AssertionError("it did not come back")


def test_a_pid_file_that_names_a_stranger_is_no_obstacle(server: PostgresServer) -> None:
    pid_file = server.data_path / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{server.data_path}\n", encoding="ascii")
    assert server.find_postmaster() is None
    server.prepare()
    assert not pid_file.exists()


def test_the_postmaster_is_found_by_its_data_directory(server: PostgresServer, running: Child) -> None:
    assert server.find_postmaster() == running.identity
    server.prepare()
    assert server.find_postmaster() == running.identity, "a living postmaster's pid file is left alone"


def test_a_cluster_whose_making_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    half_made = postgres_server(tmp_path, ports.choose([]))
    half_made.data_path.mkdir()
    (half_made.data_path / "PG_VERSION").write_text("18\n", encoding="ascii")
    half_made.prepare()
    assert (half_made.data_path / "global" / "pg_control").exists()
    assert half_made.password_path.stat().st_mode & 0o777 == 0o600


def test_a_directory_is_open_only_if_all_above_it_are() -> None:
    # Not in pytest's own directory: nobody else may enter what stands above that.
    with tempfile.TemporaryDirectory() as top:
        inner = Path(top) / "outer" / "inner"
        inner.mkdir(parents=True)
        for directory in (Path(top), inner.parent, inner):
            directory.chmod(0o711)
        assert is_open_to(NOBODY, inner / "not made yet")
        inner.parent.chmod(0o700)
        assert not is_open_to(NOBODY, inner)
