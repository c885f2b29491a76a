"""Starting, recognising and ending processes: nothing of ours is left, nothing of others is touched."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bootstrap import log_files
from bootstrap.local_stack import child
from bootstrap.local_stack.child import Identity

SLEEP = ["/bin/sleep", "60"]
DEAF = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 60; done"]
PARENT = """
import sys
from pathlib import Path
from bootstrap.local_stack import child
started = child.start("sleep", ["/bin/sleep", "60"], log_path=Path(sys.argv[1]), outlives_parent=sys.argv[2] == "yes")
print(started.pid, flush=True)
sys.stdin.read()
"""


def soon(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_process_is_ended_by_its_polite_signal(tmp_path: Path) -> None:
    started = child.start("sleep", SLEEP, log_path=tmp_path / "sleep.log")
    assert started.identity.is_alive
    assert started.stop(timeout_s=5) == -signal.SIGTERM
    assert not started.identity.is_alive


def test_one_that_does_not_listen_is_killed_with_its_own_children(tmp_path: Path) -> None:
    started = child.start("deaf", DEAF, log_path=tmp_path / "deaf.log")
    assert soon(lambda: bool(psutil.Process(started.pid).children()))
    [grandchild] = psutil.Process(started.pid).children()
    assert started.stop(timeout_s=0.2) == -signal.SIGKILL
    assert soon(lambda: is_gone(grandchild))


def test_a_pid_that_was_given_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    stranger = child.start("sleep", SLEEP, log_path=tmp_path / "sleep.log")
    earlier = Identity(pid=stranger.pid, started_s=stranger.identity.started_s - 3600)
    assert not earlier.is_alive
    assert not child.end_recorded(earlier)
    assert stranger.identity.is_alive
    stranger.stop(timeout_s=5)


def test_a_recorded_process_is_ended_and_one_that_is_gone_is_not_missed(tmp_path: Path) -> None:
    orphan = child.start("sleep", SLEEP, log_path=tmp_path / "sleep.log")
    assert child.end_recorded(orphan.identity)
    assert not orphan.identity.is_alive
    orphan.process.wait(5)
    assert not child.end_recorded(orphan.identity)


def test_a_recorded_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    orphan = child.start("deaf", DEAF, log_path=tmp_path / "deaf.log")
    assert soon(lambda: bool(psutil.Process(orphan.pid).children()))
    [grandchild] = psutil.Process(orphan.pid).children()
    assert child.end_recorded(orphan.identity, timeout_s=0.2)
    assert not orphan.identity.is_alive
    assert soon(lambda: is_gone(grandchild))
    orphan.process.wait(5)


@pytest.mark.parametrize(("outlives", "survives"), [("no", False), ("yes", True)])
def test_a_killed_parent_takes_its_children_along_unless_they_are_to_outlive_it(
    tmp_path: Path, outlives: str, *, survives: bool
) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log"), outlives]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        started = Identity.of(int(parent.stdout.readline()))
        assert started is not None
        # Until the launcher has become the process it has not asked for anything yet.
        assert soon(lambda: psutil.Process(started.pid).name() == "sleep")
        parent.kill()
    assert soon(lambda: not started.is_alive, within_s=1.0) is not survives
    child.end_recorded(started)


def test_output_goes_to_the_log_and_an_overgrown_log_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_path = tmp_path / "logs" / "echo.log"
    for word in ("first", "second"):
        child.start("echo", ["/bin/echo", word], log_path=log_path).process.wait(5)
    assert log_path.read_text(encoding="utf-8") == "first\nsecond\n"
    monkeypatch.setattr(log_files, "KEPT_BYTES", 5)
    child.start("echo", ["/bin/echo", "third"], log_path=log_path).process.wait(5)
    assert log_path.read_text(encoding="utf-8") == "third\n"
    assert (tmp_path / "logs" / "echo.1.log").read_text(encoding="utf-8") == "first\nsecond\n"
    assert log_path.parent.stat().st_mode & 0o077 == 0


def test_what_is_private_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("an older, open one", encoding="utf-8")
    path.chmod(0o644)
    child.write_private(path, "a secret")
    assert path.read_text(encoding="utf-8") == "a secret"
    assert path.stat().st_mode & 0o777 == 0o600
