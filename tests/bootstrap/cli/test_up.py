"""`guilder up` where it cannot."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from msgspec.structs import replace
from rich.console import Console
from typer.testing import CliRunner

from bootstrap.cli import application
from bootstrap.cli.up import print_what_to_try, start_detached
from bootstrap.local_stack import child, ports, state
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from bootstrap.settings import Settings
from tests.conftest import TEST_SHARDS

REPOSITORY = Path(__file__).parents[3]

Guilder = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def guilder(tmp_path: Path) -> Iterator[Guilder]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")}
    environment = {**mine, "PYTHONPATH": str(REPOSITORY), "GUILDER_HOME": str(tmp_path / "home")}

    def call(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "bootstrap.cli", *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=180, env=environment | settings, cwd=tmp_path
        )

    yield call
    call("down")


def test_what_keeps_it_from_starting_is_told(guilder: Guilder, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kafka").write_text("not a directory", encoding="utf-8")
    up = guilder("up", "--detach", "--servers-only")
    assert up.returncode == 1
    assert "could not be started" in up.stderr
    assert "Not a directory" in up.stderr or "File exists" in up.stderr
    assert guilder("down").stdout == "nothing was running\n"


def test_a_port_that_was_asked_for_and_is_in_use_is_refused_in_a_sentence(guilder: Guilder) -> None:
    port = ports.choose([])
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, port))
        taken.listen()
        up = guilder("up", "--detach", GUILDER_API__PORT=str(port))
    assert up.returncode == 1
    assert up.stderr == f"guilder: port {port}, which GUILDER_API__PORT asks for, is in use: name another\n"


@pytest.mark.parametrize("answers", ["no", "nothing"])
def test_a_postgresql_that_was_named_and_is_away_is_told_in_a_sentence(guilder: Guilder, answers: str) -> None:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        if answers == "nothing":
            server.listen()
        address = f"{ports.LOOPBACK}:{server.getsockname()[1]}"
        up = guilder(
            "up",
            "--detach",
            GUILDER_POSTGRES__DSN=f"postgresql://guilder:never-shown@{address}/guilder",
            GUILDER_KAFKA__BOOTSTRAP_SERVERS=f"{ports.LOOPBACK}:1",
        )
    assert up.returncode == 1
    [said] = [line for line in up.stderr.splitlines() if line.startswith("guilder:")]
    assert said.startswith(f"guilder: PostgreSQL at {address}/guilder cannot be reached (")
    assert "Traceback" not in up.stderr
    assert "never-shown" not in up.stderr


def test_a_kafka_that_was_named_and_is_away_is_told_in_a_sentence(guilder: Guilder, database: str) -> None:
    kafka = f"{ports.LOOPBACK}:{ports.choose([])}"
    up = guilder(
        "up",
        "--detach",
        GUILDER_POSTGRES__DSN=database,
        GUILDER_KAFKA__BOOTSTRAP_SERVERS=kafka,
        GUILDER_SHARDS=str(TEST_SHARDS),
    )
    assert up.returncode == 1
    [said] = [line for line in up.stderr.splitlines() if line.startswith("guilder:")]
    assert said.startswith(f"guilder: Kafka at {kafka} cannot be reached: ")
    assert "Traceback" not in up.stderr


def test_a_port_that_was_replaced_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    current = InstallationState(ports={"api": 20_123, "relay": 9101}, replaced_ports={"api": 8080})
    print_what_to_try(Console(), tmp_path, current)
    assert "port 8080 was in use, so api answers on 20123" in capsys.readouterr().out


def test_one_that_runs_already_says_that_changed_settings_wait(guilder: Guilder, tmp_path: Path) -> None:
    me = RecordedProcess(name="supervisor", pid=os.getpid(), started_s=psutil.Process().create_time())
    home = tmp_path / "home"
    state.save(home, InstallationState(supervisor=me, ready=True))
    try:
        for again in ([], ["--detach"], ["--servers-only"]):
            told = guilder("up", *again, GUILDER_API__PORT="1").stdout.splitlines()
            assert told[0] == "already running"
            assert "`guilder down`" in told[1]
    finally:
        (home / "state.json").unlink()  # which names these tests as what `down` is to end


def test_whoever_is_beaten_to_it_waits_for_the_one_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    me = RecordedProcess(name="supervisor", pid=os.getpid(), started_s=psutil.Process().create_time())
    winner = InstallationState(supervisor=me, postgres_dsn="the winner's")

    def beaten(*_: object, **__: object) -> SimpleNamespace:
        state.save(tmp_path, winner)
        return SimpleNamespace(pid=-1, exit_code=0)

    monkeypatch.setattr(child, "start", beaten)
    monkeypatch.setattr("time.sleep", lambda _: state.save(tmp_path, replace(winner, ready=True)))
    start_detached(Console(), Settings(home=tmp_path), servers_only=True)
    assert "the winner's" in capsys.readouterr().out


def test_a_mistyped_option_is_answered_with_those_of_the_help_alone() -> None:
    for mistyped in ("--trace", "--detached", "--server"):
        refused = CliRunner().invoke(application, ["up", mistyped])
        assert refused.exit_code == 2
        assert not {"--detached,", "--no-detached", "--as-supervisor"} & set(refused.output.replace(")", "").split())
