"""A whole installation, for real: it comes up, stays up whatever is killed, and goes without leaving anything."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from bootstrap.cli.status import describe
from bootstrap.local_stack import installation, state
from bootstrap.local_stack.installation import AlreadyRunningError
from bootstrap.local_stack.ports import choose
from bootstrap.local_stack.servers import ServerAddresses
from bootstrap.local_stack.state import InstallationState

SCRIPT = Path(__file__).with_name("small_installation.py")
REPOSITORY = Path(__file__).parents[3]
ALL = ["postgres", "kafka", "psp-simulator"]

pytestmark = pytest.mark.slow


@dataclass
class Installation:
    home: Path
    log: Path
    given: dict[str, str] = field(default_factory=dict)
    supervisor: "subprocess.Popen[bytes] | None" = None

    def up(self) -> InstallationState:
        self.launch()
        return self.await_ready()

    def launch(self) -> None:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")}
        environment = {**mine, "PYTHONPATH": str(REPOSITORY), "GUILDER_HOME": str(self.home), **self.given}
        with self.log.open("wb") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, str(SCRIPT)], env=environment, stdout=log, stderr=log, cwd=self.log.parent
            )

    def await_ready(self) -> InstallationState:
        await_that(lambda: self.is_ready or self.supervisor_ended, 90)
        assert self.is_ready, self.log.read_text(encoding="utf-8")
        return self.state

    @property
    def is_ready(self) -> bool:
        """Whether this supervisor says so, and not one that was killed before it."""
        current, mine = self.state, self.supervisor
        ours = current.supervisor is not None and mine is not None and current.supervisor.pid == mine.pid
        return ours and current.ready

    @property
    def state(self) -> InstallationState:
        return state.load(self.home)

    @property
    def supervisor_ended(self) -> bool:
        return self.supervisor is not None and self.supervisor.poll() is not None

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.supervisor is not None
        self.supervisor.send_signal(how)
        return self.supervisor.wait(60)

    def processes(self) -> dict[str, int]:
        return {process.name: process.pid for process in self.state.processes}

    def health(self) -> dict[str, bool]:
        return {process["name"]: process["healthy"] for process in describe(self.home, self.state)["processes"]}

    def remains(self) -> list[str]:
        """Every process of this machine that works in, or was told of, this home."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                of_home = process.cwd().startswith(str(self.home)) or str(self.home) in " ".join(process.cmdline())
                told = process.environ().get("GUILDER_HOME") == str(self.home)
                if (of_home or told) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {process.name()}")
        return found


def await_that(condition: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    made: list[Installation] = []

    def make_one(name: str = "home", **given: str) -> Installation:
        made.append(Installation(home=tmp_path / name, log=tmp_path / f"{name}.out", given=given))
        return made[-1]

    yield make_one
    for one in made:
        if one.supervisor is not None and one.supervisor.poll() is None:
            one.supervisor.kill()
            one.supervisor.wait(10)
        installation.end(one.home)


async def run_sql(dsn: str | None, statement: str) -> Any:
    connection: Any = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_it_comes_up_and_ends_without_a_trace_also_after_its_supervisor_was_killed(
    make: Callable[..., Installation],
) -> None:
    one = make()
    last_time = choose([])
    state.save(one.home, InstallationState(ports={"postgres": last_time}))
    first = one.up()
    assert first.ports["postgres"] == last_time
    assert one.health() == dict.fromkeys(ALL, True)
    assert [step.name for step in first.steps] == ["servers", "database", "note", "processes", "note"]
    assert all(step.took_s is not None for step in first.steps)
    assert f"set up {first.postgres_dsn}\n" in one.log.read_text(encoding="utf-8")
    assert f"finished {first.psp_simulator}\n" in one.log.read_text(encoding="utf-8")
    with pytest.raises(AlreadyRunningError), installation.sole_supervisor(one.home):
        pass
    await run_sql(first.postgres_dsn, "CREATE TABLE kept AS SELECT 7 AS n")

    assert one.stop(signal.SIGINT) == 0
    assert one.remains() == []
    assert one.state == InstallationState(ports=first.ports)
    assert not (one.home / "postgres" / "postmaster.pid").exists()

    # Its supervisor killed, it comes up again on what that has left running, and with its data.
    second = one.up()
    assert (second.ports, second.postgres_dsn) == (first.ports, first.postgres_dsn)
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    third = one.up()
    assert one.health() == dict.fromkeys(ALL, True)
    assert await run_sql(third.postgres_dsn, "SELECT n FROM kept") == 7

    # Killed once more, it leaves nothing behind when it is ended from outside.
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    installation.end(one.home)
    assert one.remains() == []
    assert not (one.home / "postgres" / "postmaster.pid").exists()
    assert one.state == InstallationState(ports=third.ports)
    assert installation.end(one.home) == []


# In the suite the short campaign kills every process of a whole installation.
@pytest.mark.campaign
def test_whatever_is_killed_comes_back(make: Callable[..., Installation]) -> None:
    one = make()
    one.up()
    before = one.processes()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    await_that(lambda: not set(before.values()) & set(one.processes().values()), 30)
    await_that(lambda: one.health() == dict.fromkeys(ALL, True), 60)
    said = one.log.read_text(encoding="utf-8")
    for name in ALL:
        assert f"{name} was ended by signal 9; starting it again in" in said


@pytest.mark.campaign
def test_two_that_start_at_once_share_the_machine_and_a_taken_port_is_avoided(
    make: Callable[..., Installation],
) -> None:
    both = make("one"), make("other")
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # Last time's port of PostgreSQL is taken meanwhile, and both want the same port for Kafka.
        wanted = {"postgres": taken.getsockname()[1], "kafka": choose([])}
        for each in both:
            state.save(each.home, InstallationState(ports=wanted))
            each.launch()
        ports = [set(each.await_ready().ports.values()) for each in both]
    assert not ports[0] & ports[1]
    assert wanted["postgres"] not in ports[0] | ports[1]
    for each in both:
        assert each.health() == dict.fromkeys(ALL, True)
    assert both[0].stop() == 0
    assert both[1].health() == dict.fromkeys(ALL, True)


async def test_given_servers_are_used_and_left_alone(
    make: Callable[..., Installation], stack: ServerAddresses, empty_database: str
) -> None:
    one = make(
        GUILDER_POSTGRES__DSN=empty_database,
        GUILDER_KAFKA__BOOTSTRAP_SERVERS=stack.kafka_bootstrap,
    )
    current = one.up()
    assert (current.postgres_dsn, current.kafka_bootstrap) == (empty_database, stack.kafka_bootstrap)
    assert one.health() == {"psp-simulator": True}
    assert not (one.home / "postgres").exists()
    assert not (one.home / "kafka").exists()
    assert one.stop() == 0
    assert await run_sql(empty_database, "SELECT 1") == 1
