"""The command line as a user meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from bootstrap.cli import VERBS, application
from bootstrap.cli.connection import NotRunningError, connected_settings
from bootstrap.cli.demo_merchant import DEMO_FILE
from bootstrap.cli.version import find_version
from bootstrap.local_stack import state
from bootstrap.local_stack.state import HomeUnusableError, InstallationState, RecordedProcess
from bootstrap.log_files import keep_short, older_of
from bootstrap.settings import Settings

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GUILDER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUILDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return tmp_path / "home"


def guilder(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bootstrap.cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def help_of(*verb: str) -> str:
    answer = CliRunner().invoke(application, [*verb, "--help"])
    assert answer.exit_code == 0
    return answer.stdout


def test_every_verb_explains_itself(home: Path) -> None:
    shown = help_of()
    for verb in VERBS:
        assert f" {verb} " in shown


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        (("status",), "--json"),
        (("run",), "PROCESS"),
        (("logs",), "PROCESS"),
        (("dead-letters",), "redrive"),
        (("dead-letters", "show"), "ADDRESS"),
        (("merchant",), "create"),
        (("merchant", "fees"), "--refund-fee"),
        (("merchant", "settlement-delay"), "SECONDS"),
        (("merchant", "show"), "MERCHANT"),
        (("merchant", "key", "issue"), "audit:read"),
    ],
)
def test_a_verb_explains_itself_and_nothing_else(home: Path, verb: tuple[str, ...], says: str) -> None:
    shown = help_of(*verb)
    assert says in shown
    assert "completion" not in shown


def test_an_unknown_verb_is_refused(home: Path) -> None:
    assert guilder("uq").returncode == 2


def test_status_of_nothing_has_the_same_shape_and_says_so_by_its_exit_code(home: Path) -> None:
    answer = guilder("status", "--json")
    assert answer.returncode == 3
    assert json.loads(answer.stdout) == {
        "api": None,
        "postgres_dsn": None,
        "kafka_bootstrap": None,
        "psp_simulator": None,
        "demo": None,
        "processes": [],
        "backlog": None,
        "problems": [],
    }
    assert "nothing runs here" in guilder("status").stdout


def test_status_names_a_supervisor_that_was_killed(home: Path) -> None:
    me = RecordedProcess(name="kafka", pid=os.getpid(), started_s=psutil.Process().create_time())
    gone = RecordedProcess(name="supervisor", pid=os.getpid(), started_s=1.0)
    relay = RecordedProcess(name="relay", pid=os.getpid(), started_s=1.0)
    state.save(home, InstallationState(supervisor=gone, processes=[me, relay], ports={"kafka": 1}))
    answer = guilder("status", "--json")
    [problem] = json.loads(answer.stdout)["problems"]
    assert answer.returncode == 3
    assert problem.startswith("the supervisor was killed (still running without it: kafka)")
    shown = guilder("status")
    assert (shown.returncode, shown.stdout) == (3, f"{problem}\n")


def test_status_explains_its_exit_codes(home: Path) -> None:
    shown = " ".join(help_of("status").split())
    assert "Exit codes: 0 while an installation runs" in shown


def test_status_shows_the_demo_merchant(home: Path) -> None:
    home.mkdir()
    (home / DEMO_FILE).write_text('{"merchant_id": "mer_1", "api_key": "gk_test_1"}', encoding="utf-8")
    demo = json.loads(guilder("status", "--json").stdout)["demo"]
    assert demo == {"merchant_id": "mer_1", "api_key": "gk_test_1"}


def test_down_of_nothing_is_no_failure(home: Path) -> None:
    answer = guilder("down")
    assert (answer.returncode, answer.stdout) == (0, "nothing was running\n")
    assert not home.exists()


def test_a_wrong_setting_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDER_SHARDS", "none")
    monkeypatch.setenv("GUILDER_OPERATOR__KEY_SHA256", "the key itself")
    answer = guilder("status")
    assert answer.returncode == 2
    assert [line.split(" is wrong: ")[0] for line in answer.stderr.splitlines()] == [
        "guilder: GUILDER_SHARDS",
        "guilder: GUILDER_OPERATOR__KEY_SHA256",
    ]
    assert "the key itself" not in answer.stderr


def test_a_home_that_cannot_be_one_is_named(home: Path) -> None:
    home.write_text("a file", encoding="utf-8")
    answer = guilder("up", "--detach")
    assert (answer.returncode, answer.stderr) == (1, f"guilder: {home} cannot hold an installation: Not a directory\n")
    with pytest.raises(HomeUnusableError, match="File exists"):
        state.make(home)


def test_a_home_that_may_not_be_written_to_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "access", lambda path, _mode: path != home
    )  # the tests may run as root, who may write anywhere
    with pytest.raises(HomeUnusableError, match="may not be written to"):
        state.make(home)


def test_a_verb_that_needs_a_server_says_how_to_get_one(home: Path) -> None:
    answer = guilder("migrate")
    assert answer.returncode == 1
    assert "guilder up" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_logs_prints_the_last_lines_of_one_or_of_all(home: Path) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "relay.log").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (home / "logs" / "saga.log").write_text("four\n", encoding="utf-8")
    assert guilder("logs", "relay", "-n", "2").stdout == "two\nthree\n"
    assert guilder("logs", "-n", "1").stdout == "relay | three\nsaga  | four\n"
    about = "pi_06F8Q2ZC4RTJX1M3N5P7R9S0TV"
    for name, second in (("relay", 3), ("saga", 2), ("saga", 4)):
        with (home / "logs" / f"{name}.log").open("a", encoding="utf-8") as log:
            log.write(f'{{"payment_intent_id":"{about}","timestamp":"2026-11-25T14:00:0{second}Z"}}\n')
    found = guilder("logs", "--about", about).stdout.splitlines()
    assert [(line[:5].strip(), line[-4:-2]) for line in found] == [("saga", "2Z"), ("relay", "3Z"), ("saga", "4Z")]
    assert guilder("logs", "--about", about.lower()).stdout.splitlines() == found
    (home / "logs" / "relay.log").rename(home / "logs" / "relay.1.log")
    (home / "logs" / "relay.log").write_text("", encoding="utf-8")
    assert guilder("logs", "--about", about).stdout.splitlines() == found
    assert guilder("logs", "relay", "--about", about).stdout.count("\n") == 1
    nobody = guilder("logs", "--about", "pi_06F8Q2ZC4RTJX1M3N5P7R9S0TW")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr == "guilder: no line of the logs that are kept names pi_06F8Q2ZC4RTJX1M3N5P7R9S0TW\n"
    for wrong in ("foo", "pi_06F8"):
        misused = guilder("logs", "--about", wrong)
        assert (misused.returncode, misused.stdout) == (2, "")
        assert wrong in misused.stderr
    assert guilder("logs", "--about", "0" * 32).returncode == 1
    refused = guilder("logs", "ledger")
    assert refused.returncode == 1
    assert "relay, saga" in refused.stderr


def test_logs_go_on_with_a_log_that_was_set_aside(home: Path) -> None:
    log = home / "logs" / "relay.log"
    log.parent.mkdir(parents=True)
    log.write_text("of before\nthe last\n", encoding="utf-8")
    command = [sys.executable, "-m", "bootstrap.cli", "logs", "relay", "--follow", "-n", "1"]
    printed = home / "printed"

    def await_printed(lines: str) -> None:
        deadline = time.monotonic() + 20
        while printed.read_text(encoding="utf-8") != lines:
            assert time.monotonic() < deadline, printed.read_text(encoding="utf-8")
            time.sleep(0.05)

    # The process itself has its log open to append, before it is set aside and after.
    with (
        printed.open("wb") as output,
        log.open("ab", buffering=0) as writing,
        subprocess.Popen(command, stdout=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as following,
    ):
        try:
            await_printed("the last\n")
            writing.write(b"as long as need be\n")
            await_printed("the last\nas long as need be\n")
            keep_short(log, kept_bytes=0)
            writing.write(b"anew\n")
            await_printed("the last\nas long as need be\nanew\n")
            writing.write(b"and on\n")
            await_printed("the last\nas long as need be\nanew\nand on\n")
        finally:
            following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
    assert older_of(log).read_text(encoding="utf-8") == "of before\nthe last\nas long as need be\n"


@pytest.mark.parametrize(
    ("misused", "says"),
    [
        (("logs", "--follow", "--about", "pi_06F8Q2ZC4RTJX1M3N5P7R9S0TV"), "--follow"),
        (("status", "--watch", "--json"), "--watch"),
    ],
)
def test_options_that_would_be_without_effect_are_refused(home: Path, misused: tuple[str, ...], says: str) -> None:
    answer = guilder(*misused)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"Invalid value for {says}" in answer.stderr


def test_where_nothing_has_run_there_are_no_logs(home: Path) -> None:
    refused = guilder("logs")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "guilder: there are no logs, for nothing has run here: `guilder up` starts it\n"


def test_version_is_the_one_that_is_built(home: Path) -> None:
    assert guilder("version").stdout == f"guilder {find_version()}\n"
    assert find_version().count(".") == 2


def test_a_verb_finds_the_running_installation_but_the_environment_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotRunningError):
        connected_settings()
    running = InstallationState(
        postgres_dsn="postgresql://running", kafka_bootstrap="running:1", psp_simulator="http://s"
    )
    state.save(home, running)
    found = connected_settings()
    assert (found.postgres.dsn, found.kafka.bootstrap_servers) == ("postgresql://running", "running:1")
    assert found.psp_simulator.url == "http://s"
    monkeypatch.setenv("GUILDER_POSTGRES__DSN", "postgresql://named")
    assert connected_settings(Settings()).postgres.dsn == "postgresql://named"
