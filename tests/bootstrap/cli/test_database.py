"""A database that cannot be worked on: every verb says so in one sentence that holds no password."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from typer.testing import CliRunner

from bootstrap.cli import application
from bootstrap.cli import database as database_module
from bootstrap.cli.database import ANSWERS_WITHIN_S, DatabaseUnusableError, address, database_at, what_is_wrong
from bootstrap.local_stack import ports, state
from bootstrap.local_stack.state import InstallationState
from processors.rebuild import open_pool
from projections.checkpoints import apply_to_live
from projections.ledger import Ledger
from schemas.errors import ShardUnavailable
from tests.conftest import with_database
from tests.contract.tcp_proxy import proxied
from tests.projections.history import worked_case, write_log

REPOSITORY = Path(__file__).parents[3]
PASSWORD = "Xq7-never-shown"  # noqa: S105 - of nobody
VERBS = [
    ("migrate",),
    ("ledger", "verify"),
    ("ledger", "rebuild"),
    ("ledger", "rebuild", "--source", "kafka"),
    ("dead-letters", "list"),
    ("dead-letters", "show", "shard/projector/3"),
    ("dead-letters", "redrive", "--all"),
    ("merchant", "create", "--name", "A", "--country", "DE"),
    ("demo", "--payments", "1"),
    ("run", "api"),
]
NEEDS_TABLES = [verb for verb in VERBS if verb[0] != "migrate"]

Guilder = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guilder:
    """The one sentence with which `guilder …` ends on a database, as after a supervisor that was killed."""
    monkeypatch.chdir(tmp_path)

    def call(dsn: str, *arguments: str) -> str:
        left = InstallationState(postgres_dsn=dsn, kafka_bootstrap="127.0.0.1:1", api="http://127.0.0.1:1")
        state.save(tmp_path / "home", left)
        environment = {"PYTHONPATH": str(REPOSITORY), "GUILDER_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", "bootstrap.cli", *arguments]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
        told = [line for line in ran.stderr.splitlines() if line.startswith("guilder:")]
        assert (ran.returncode, len(told)) == (1, 1), ran.stderr
        assert "Traceback" not in ran.stderr + ran.stdout
        assert PASSWORD not in ran.stderr + ran.stdout
        return told[0]

    return call


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] != "run"], ids=" ".join)
def test_a_server_that_does_not_answer(refused: Guilder, verb: tuple[str, ...]) -> None:
    port = ports.choose([])
    said = refused(f"postgresql://guilder:{PASSWORD}@127.0.0.1:{port}/guilder", *verb)
    assert f"PostgreSQL at 127.0.0.1:{port}/guilder cannot be reached (" in said
    assert "`guilder up`" in said


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] != "run"], ids=" ".join)
def test_a_person_at_a_shell_hears_soon_that_nothing_answers(tmp_path: Path, verb: tuple[str, ...]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        state.save(tmp_path, InstallationState(api="http://127.0.0.1:1"))
        environment = {
            "GUILDER_HOME": str(tmp_path),
            "GUILDER_POSTGRES__DSN": f"postgresql://guilder@127.0.0.1:{server.getsockname()[1]}/guilder",
        }
        began = time.monotonic()
        ended = CliRunner().invoke(application, verb, env=environment, prog_name="guilder")
        took_s = time.monotonic() - began

    assert isinstance(ended.exception, DatabaseUnusableError)
    assert took_s < 2 * ANSWERS_WITHIN_S


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        (("ledger", "verify"), b"WITH sums"),
        (("ledger", "rebuild"), b"pg_try_advisory_lock"),
        (("ledger", "rebuild"), b"INSERT INTO ledger_2"),
        (("ledger", "rebuild"), b"COPY "),
        (("dead-letters", "list"), b"FROM halted_shards"),
        (("migrate",), b"pg_advisory_lock"),
    ],
)
async def test_a_server_that_falls_silent_is_not_waited_for_without_end(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], asked: bytes
) -> None:
    monkeypatch.setattr(database_module, "SILENT_AFTER_S", 0.5)
    await write_log(database, worked_case().recorded)
    await _apply(database)
    async with proxied(database) as (proxy, dsn):

        def freeze(question: bytes) -> bool:
            proxy.frozen = proxy.frozen or asked in question
            return False

        proxy.swallow_answer = freeze
        environment = {"GUILDER_HOME": str(tmp_path), "GUILDER_POSTGRES__DSN": dsn}
        began = time.monotonic()
        calling = asyncio.to_thread(lambda: CliRunner().invoke(application, verb, env=environment, prog_name="guilder"))
        try:
            ended = await asyncio.wait_for(calling, 10)
        finally:
            fell_silent, proxy.frozen = proxy.frozen, False
            proxy.cut()
    assert fell_silent
    assert isinstance(ended.exception, DatabaseUnusableError), ended.exception
    assert "cannot be reached (no answer in time)" in str(ended.exception)
    assert time.monotonic() - began < 8


async def test_who_is_interrupted_clears_up_first(postgres_dsn: str) -> None:
    cleared = []
    connection: Any = await asyncpg.connect(postgres_dsn)

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.2)
            cleared.append("all")

    calling = asyncio.create_task(database_module._unless_silent(work(), connection))
    await asyncio.sleep(0.1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    connection.terminate()
    assert cleared == ["all"]


async def _apply(dsn: str) -> None:
    pool = await open_pool(dsn)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await apply_to_live(connection, [Ledger()], {1: worked_case().recorded})
    finally:
        await pool.close()


def test_a_kafka_that_does_not_answer(refused: Guilder, database: str) -> None:
    said = refused(database, "ledger", "rebuild", "--source", "kafka")
    assert said.startswith("guilder: Kafka at 127.0.0.1:1 cannot be reached")


def test_an_api_that_does_not_answer(refused: Guilder, database: str) -> None:
    said = refused(database, "demo", "--payments", "1")
    assert said.startswith("guilder: the API or the PSP simulator cannot be reached")


@pytest.mark.parametrize("verb", [("migrate",), ("dead-letters", "list"), ("run", "api")], ids=" ".join)
def test_a_wrong_password(refused: Guilder, postgres_dsn: str, verb: tuple[str, ...]) -> None:
    parts = urlsplit(postgres_dsn)
    wrong = parts._replace(netloc=f"{parts.username}:{PASSWORD}@{parts.hostname}:{parts.port}")
    said = refused(urlunsplit(wrong), *verb)
    assert "does not let Guilder in: password authentication failed" in said
    assert "GUILDER_POSTGRES__DSN" in said


@pytest.mark.parametrize("verb", NEEDS_TABLES, ids=" ".join)
def test_a_database_that_was_never_migrated(
    refused: Guilder, migrated_template: str, empty_database: str, verb: tuple[str, ...]
) -> None:
    said = refused(empty_database, *verb)
    assert "has not got Guilder's tables" in said
    assert "run `guilder migrate`" in said


def test_a_database_that_is_not_there(refused: Guilder, postgres_dsn: str) -> None:
    assert "has no such database" in refused(with_database(postgres_dsn, "nowhere"), "migrate")


def test_a_name_with_several_addresses_and_one_with_none() -> None:
    assert str(what_is_wrong(ConnectionRefusedError(111, "Connect call failed"))).startswith(
        "cannot be reached (Connection refused)"
    )
    assert what_is_wrong(OSError("Multiple exceptions: [Errno 111] …, [Errno 111] …")) is not None
    assert what_is_wrong(TimeoutError()) == what_is_wrong(ShardUnavailable())
    assert what_is_wrong(ExceptionGroup("both", [ConnectionRefusedError("no"), TimeoutError()])) is not None
    role = asyncpg.InvalidParameterValueError('role "guilder_app" does not exist')
    assert "guilder migrate" in str(what_is_wrong(role))


def test_a_server_that_is_lost_meanwhile() -> None:
    for lost in (
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.InterfaceError("connection is closed"),
    ):
        assert str(what_is_wrong(lost)).startswith(f"cannot be reached ({lost}): `guilder status` shows what runs")


def test_what_is_not_about_the_database_stays_what_it_is() -> None:
    full = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"), database_at("postgresql://h/d"):
        raise full
    assert what_is_wrong(ExceptionGroup("both", [ConnectionRefusedError("no"), ValueError("a defect")])) is None
    with pytest.raises(DatabaseUnusableError), database_at("postgresql://h/d"):
        raise ConnectionResetError


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:p%40@h:5432/d", "h:5432/d"),
        ("postgresql://u:p@[::1]:5432/d?sslmode=require", "[::1]:5432/d"),
        ("postgresql://u:p@a:1,b:2/d", "a:1,b:2/d"),
        ("postgresql://", "its default address"),
    ],
)
def test_an_address_holds_neither_user_nor_password(dsn: str, shown: str) -> None:
    assert address(dsn) == shown
