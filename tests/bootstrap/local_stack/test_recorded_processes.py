"""What a supervisor writes down of the processes it runs, with real processes that do nothing."""

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
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = Supervisor(plan=Plan(settings=Settings(home=tmp_path), roster=()), report=lambda _sentence: None)
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
