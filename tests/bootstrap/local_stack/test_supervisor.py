"""What a supervisor writes down of the processes it runs, with real processes that do nothing."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap.local_stack import child, state
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.plan import Plan
from bootstrap.local_stack.supervised import Supervised
from bootstrap.local_stack.supervisor import Supervisor
from bootstrap.settings import Settings


@dataclass(frozen=True)
class Sleeper:
    name: str
    log_path: Path
    stop_within_s: float = 5.0
    health_url: str | None = None
    ports: tuple[int, ...] = ()

    def start(self) -> Child:
        return child.start(self.name, [sys.executable, "-c", "import time; time.sleep(600)"], log_path=self.log_path)

    def is_ready(self) -> bool:
        return True

    def is_live(self) -> bool:
        return True


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, told: list[str]) -> Iterator[Supervisor]:
    one = Supervisor(plan=Plan(settings=Settings(home=tmp_path), roster=()), report=told.append)
    services = [Sleeper(name, tmp_path / "logs" / f"{name}.log") for name in ("relay", "saga")]
    one._running = [Supervised(service=service, report=one._tell) for service in services]
    one._tick()
    yield one
    one._stop(list(one._running))


def recorded(home: Path) -> dict[str, int]:
    return {process.name: process.pid for process in state.load(home).processes}


def tick_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        supervisor._tick()


def test_a_process_that_waits_for_its_next_start_is_not_forgotten_when_another_starts(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    before = recorded(tmp_path)
    assert set(before) == {"relay", "saga"}
    saga = supervisor._running[1]
    saga.failures = 5  # so that it waits for long
    os.kill(before["saga"], signal.SIGKILL)
    os.kill(before["relay"], signal.SIGKILL)
    tick_until(supervisor, lambda: recorded(tmp_path)["relay"] != before["relay"])
    assert saga.child is None
    assert recorded(tmp_path)["saga"] == before["saga"], "`guilder status` would not know that it is missing"


def test_a_home_that_cannot_be_written_for_a_while_ends_nothing(
    supervisor: Supervisor, tmp_path: Path, told: list[str]
) -> None:
    """As on a full disk: what runs goes on, and what is started is written down once that goes again."""
    before = recorded(tmp_path)
    in_the_way = tmp_path / f"{state.STATE_FILE}.new"
    in_the_way.mkdir()
    os.kill(before["relay"], signal.SIGKILL)
    tick_until(supervisor, lambda: any("cannot be written" in sentence for sentence in told))
    supervisor._tick()
    assert len([sentence for sentence in told if "cannot be written" in sentence]) == 1
    in_the_way.rmdir()
    tick_until(supervisor, lambda: recorded(tmp_path)["relay"] != before["relay"])
    assert recorded(tmp_path)["saga"] == before["saga"]


def test_a_log_that_takes_no_more_ends_nothing(supervisor: Supervisor, tmp_path: Path) -> None:
    def full(_sentence: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    supervisor.report = full
    before = recorded(tmp_path)
    os.kill(before["relay"], signal.SIGKILL)
    tick_until(supervisor, lambda: recorded(tmp_path)["relay"] != before["relay"])
