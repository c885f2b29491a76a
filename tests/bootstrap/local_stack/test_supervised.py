"""Supervision of one process: restarts, back-off, health; with a clock and a process of the test's own making."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from bootstrap.local_stack.child import Child
from bootstrap.local_stack.supervised import SILENT_FOR_S, STEADY_AFTER_S, Supervised, pause_s


@dataclass
class ScriptedChild:
    exit_code: int | None = None
    listening: frozenset[int] = frozenset({8080})

    def listens_on(self, port: int) -> bool:
        return port in self.listening

    def kill(self) -> None:
        self.exit_code = -9


@dataclass
class ScriptedService:
    name: str = "relay"
    stop_within_s: float = 1.0
    health_url: str | None = None
    log_path: Path = Path("relay.log")
    ports: tuple[int, ...] = (8080,)
    ready: bool = False
    live: bool = True
    unstartable: OSError | None = None
    children: list[ScriptedChild] = field(default_factory=list)

    def start(self) -> Child:
        if self.unstartable is not None:
            raise self.unstartable
        self.children.append(ScriptedChild())
        return cast("Child", self.children[-1])

    def is_ready(self) -> bool:
        return self.ready

    def is_live(self) -> bool:
        return self.live


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervised(service: ScriptedService, told: list[str]) -> Supervised:
    return Supervised(service=service, report=told.append)


def test_it_starts_at_once_and_only_once(supervised: Supervised, service: ScriptedService) -> None:
    assert supervised.tick(0.0)
    assert not supervised.tick(0.1)
    assert len(service.children) == 1


def test_it_is_started_again_after_a_pause(supervised: Supervised, service: ScriptedService, told: list[str]) -> None:
    supervised.tick(0.0)
    service.children[0].exit_code = -9
    assert not supervised.tick(1.0)
    assert not supervised.tick(1.4)
    assert supervised.tick(1.5)
    assert told == ["relay was ended by signal 9; starting it again in 0.5 s"]


def test_what_cannot_be_started_is_tried_again(
    supervised: Supervised, service: ScriptedService, told: list[str]
) -> None:
    service.unstartable = OSError(28, "No space left on device")
    assert not supervised.tick(0.0)
    assert not supervised.tick(0.4)
    assert told == ["relay cannot be started (No space left on device); trying again in 0.5 s"]
    assert not supervised.tick(0.5)
    assert told[1:] == ["relay cannot be started (No space left on device); trying again in 1 s"]
    service.unstartable = None
    assert not supervised.tick(1.4)
    assert supervised.tick(1.5)


def test_pauses_double_up_to_ten_seconds() -> None:
    assert [pause_s(n) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_one_that_ran_steadily_begins_with_the_first_pause(supervised: Supervised, service: ScriptedService) -> None:
    now = 0.0
    for _ in range(4):
        supervised.tick(now)
        service.children[-1].exit_code = 1
        supervised.tick(now + 0.1)
        now += 10.0
    assert supervised.failures == 4
    supervised.tick(now)
    service.children[-1].exit_code = 1
    supervised.tick(now + STEADY_AFTER_S + 1)
    assert supervised.failures == 1


def test_health_is_followed_and_lost_with_the_process(
    supervised: Supervised, service: ScriptedService, told: list[str]
) -> None:
    supervised.tick(0.0)
    seen = []
    for now, ready in ((0.1, False), (1.0, True), (2.0, False), (3.0, True)):
        service.ready = ready
        supervised.tick(now)
        seen.append(supervised.healthy)
    service.children[0].exit_code = 0
    supervised.tick(3.1)
    assert [*seen, supervised.healthy] == [False, True, False, True, False]
    assert told[:2] == ["relay is not healthy", "relay is healthy again"]


def test_an_answer_of_another_installation_on_the_same_port_is_not_taken_for_its_own(
    supervised: Supervised, service: ScriptedService
) -> None:
    supervised.tick(0.0)
    service.ready = True
    service.children[0].listening = frozenset()
    supervised.tick(0.1)
    before = supervised.healthy
    service.children[0].listening = frozenset({8080})
    supervised.tick(1.0)
    assert [before, supervised.healthy] == [False, True]


def test_one_that_answers_nothing_for_long_is_killed_and_started_again(
    supervised: Supervised, service: ScriptedService, told: list[str]
) -> None:
    supervised.tick(0.0)
    service.ready = True
    supervised.tick(1.0)
    service.ready = service.live = False
    supervised.tick(1.0 + SILENT_FOR_S - 1)
    codes = [service.children[0].exit_code]
    supervised.tick(1.0 + SILENT_FOR_S + 1)
    assert [*codes, service.children[0].exit_code] == [None, -9]
    assert told[-1] == "relay has answered nothing for 60 s; killing it"
    supervised.tick(100.0)
    assert supervised.tick(101.0)
    assert len(service.children) == 2


def test_one_that_says_what_it_lacks_is_left_alone(supervised: Supervised, service: ScriptedService) -> None:
    supervised.tick(0.0)
    service.ready = True
    supervised.tick(1.0)
    service.ready = False
    for now in range(2, 300):
        supervised.tick(float(now))
    service.live = False
    supervised.tick(300.0)
    assert service.children[0].exit_code is None
