"""A supervisor for which nothing can be written any more: it goes on, and says so."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from bootstrap.local_stack import child, state
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.plan import Plan
from bootstrap.local_stack.servers import ServerAddresses
from bootstrap.local_stack.supervisor import Supervisor


@dataclass
class Sleeper:
    """A process that sleeps; at each look at its health the next of `script` happens."""

    log_path: Path
    script: list[Callable[[], object]]
    name: str = "sleeper"
    stop_within_s: float = 5.0
    health_url: str | None = None
    ports: tuple[int, ...] = ()
    children: list[Child] = field(default_factory=list)
    unstartable: bool = False

    def start(self) -> Child:
        if self.unstartable:
            self.unstartable = False
            raise OSError(12, "Cannot allocate memory")
        self.children.append(child.start(self.name, ["/bin/sleep", "60"], log_path=self.log_path))
        return self.children[-1]

    def is_ready(self) -> bool:
        if state.load(self.log_path.parents[1]).ready and self.script:
            self.script.pop(0)()
        return True

    def is_live(self) -> bool:
        return True


@dataclass
class SleepersPlan:
    home: Path
    sleeper: Sleeper
    ports: dict[str, int] = field(default_factory=dict)
    replaced_ports: dict[str, int] = field(default_factory=dict)
    api_url: str | None = None
    psp_simulator_url: str | None = None

    def prepare_servers(self, _recorded: Any) -> ServerAddresses:
        return ServerAddresses(postgres_dsn="", kafka_bootstrap="")

    def prepare_processes(self, _recorded: Any) -> None: ...

    def servers(self) -> list[Any]:
        return []

    def set_up_steps(self) -> list[Any]:
        return []

    def processes(self) -> list[Any]:
        return [self.sleeper]

    def finishing_steps(self) -> list[Any]:
        return []


@dataclass
class FullDisk:
    """Refuses the state, and what is told, while it is full."""

    save: Callable[..., None]
    full: bool = False
    told: list[str] = field(default_factory=list)

    def fill(self) -> None:
        self.full = True

    def clear(self) -> None:
        self.full = False

    def save_state(self, home: Path, current: state.InstallationState) -> None:
        if self.full:
            raise state.HomeUnusableError(f"{home} cannot be written to: No space left on device")
        self.save(home, current)

    def tell(self, sentence: str) -> None:
        self.told.append(sentence)
        if self.full:
            raise OSError(28, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    disk = FullDisk(state.save)
    monkeypatch.setattr(state, "save", disk.save_state)
    return disk


def test_a_full_disk_ends_nothing_and_the_state_is_written_once_there_is_room(tmp_path: Path, disk: FullDisk) -> None:
    seen: list[tuple[int, list[int]]] = []

    def recorded() -> list[int]:
        return [process.pid for process in state.load(tmp_path).processes]

    sleeper = Sleeper(tmp_path / "logs" / "sleeper.log", [])

    def kill_it() -> None:
        sleeper.children[0].kill()

    sleeper.script = [
        disk.fill,
        kill_it,
        lambda: seen.append((sleeper.children[-1].pid, recorded())),
        disk.clear,
        lambda: seen.append((sleeper.children[-1].pid, recorded())),
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    ]
    Supervisor(plan=cast("Plan", SleepersPlan(tmp_path, sleeper)), report=disk.tell).run()

    first, second = (started.pid for started in sleeper.children)
    assert seen == [(second, [first]), (second, [second])]
    assert [sentence for sentence in disk.told if "No space" in sentence] == [
        f"{tmp_path} cannot be written to: No space left on device; going on without it"
    ]
    assert state.load(tmp_path).processes == []


def test_it_ends_in_order_though_nothing_can_be_written(tmp_path: Path, disk: FullDisk) -> None:
    sleeper = Sleeper(tmp_path / "logs" / "sleeper.log", [disk.fill, lambda: os.kill(os.getpid(), signal.SIGTERM)])
    Supervisor(plan=cast("Plan", SleepersPlan(tmp_path, sleeper)), report=disk.tell).run()
    assert [started.exit_code for started in sleeper.children] == [-signal.SIGTERM]


def test_what_cannot_be_started_again_is_tried_again(tmp_path: Path, disk: FullDisk) -> None:
    sleeper = Sleeper(tmp_path / "logs" / "sleeper.log", [])

    def break_it() -> None:
        sleeper.unstartable = True
        sleeper.children[0].kill()

    sleeper.script = [break_it, lambda: os.kill(os.getpid(), signal.SIGTERM)]
    Supervisor(plan=cast("Plan", SleepersPlan(tmp_path, sleeper)), report=disk.tell).run()
    assert len(sleeper.children) == 2
    assert "sleeper could not be started: Cannot allocate memory; trying again in 1 s" in disk.told


def test_a_disk_that_is_full_at_the_start_is_told(tmp_path: Path, disk: FullDisk) -> None:
    disk.fill()
    with pytest.raises(state.HomeUnusableError):
        Supervisor(plan=cast("Plan", SleepersPlan(tmp_path, Sleeper(tmp_path / "logs" / "s.log", [])))).run()


def test_an_overgrown_log_is_set_aside_while_its_process_writes_on(
    tmp_path: Path, disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap.log_files.KEPT_BYTES", 5)
    monkeypatch.setattr("bootstrap.local_stack.supervisor.LOGS_LOOKED_AT_EVERY_S", 0.0)
    sleeper = Sleeper(tmp_path / "logs" / "sleeper.log", [])

    def write() -> None:
        with sleeper.log_path.open("ab") as log:
            log.write(b"more than five")

    sleeper.script = [write, lambda: None, lambda: os.kill(os.getpid(), signal.SIGTERM)]
    Supervisor(plan=cast("Plan", SleepersPlan(tmp_path, sleeper)), report=disk.tell).run()
    assert sleeper.log_path.read_bytes() == b""
    assert sleeper.log_path.with_suffix(".1.log").read_bytes() == b"more than five"
