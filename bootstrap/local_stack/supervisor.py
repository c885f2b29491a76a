"""The supervisor of one installation: brings it up in order, keeps it up, and takes it down to the last process.

    servers (PostgreSQL and Kafka, together) → set-up steps (migrate, topics) → Guilder's processes → finishing steps

Everything happens in the thread that calls `run`, which must be the main one: on Linux the children end with it.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, NoReturn

import msgspec

from bootstrap.local_stack import installation, ports, state
from bootstrap.local_stack.child import Identity
from bootstrap.local_stack.plan import Plan
from bootstrap.local_stack.servers import ServerFailedError, tail
from bootstrap.local_stack.state import HomeUnusableError, InstallationState, RecordedProcess, Step
from bootstrap.local_stack.supervised import Service, Supervised, describe_end
from bootstrap.log_files import keep_short, older_of

TICK_S: Final = 0.1
READY_WITHIN_S: Final = 120.0
ENDS_ALLOWED_AT_START: Final = 3
"""A process that ends this often before it was ever healthy fails the start: it will not mend by itself."""

STARTS_ON_LOST_PORTS: Final = 6
"""Each of three ports may be lost once to another installation that starts at this very moment, and then some."""

LOGS_LOOKED_AT_EVERY_S: Final = 1.0


class StopRequested(BaseException):
    """SIGINT or SIGTERM has come; not an error, and not to be caught as one."""


@dataclass
class StopSignals:
    """SIGINT and SIGTERM, noted at once and acted on where that is safe.

    An exception between starting a process and writing down its pid would lose the process, so the signal only
    raises inside `raising`; elsewhere `check` does.
    """

    _noted: bool = False
    _raises: bool = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Note the signals inside the context."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield
        finally:
            for number, previous in before.items():
                signal.signal(number, previous)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Inside the context a signal raises StopRequested wherever the thread is."""
        self.check()
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def check(self) -> None:
        """Raise StopRequested if a signal has come."""
        if self._noted:
            raise StopRequested

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._noted = True
        if self._raises:
            self._raises = False  # once: the second Ctrl-C must not cut the taking down short
            raise StopRequested


@dataclass
class Supervisor:
    """`on_change` sees each new state as it is saved; `report` gets sentences for the operator and the log.

    Once all is up, a disk that is full ends nothing: what cannot be written down is written once there is room again.
    """

    plan: Plan
    on_change: Callable[[InstallationState], None] = lambda _state: None
    report: Callable[[str], None] = lambda _sentence: None
    _running: list[Supervised] = field(default_factory=list)
    _state: InstallationState = field(default_factory=InstallationState)
    _last_ports: dict[str, int] = field(default_factory=dict)
    _signals: StopSignals = field(default_factory=StopSignals)
    _unsaved: bool = False
    _logs_at: float = 0.0

    def run(self) -> None:
        """Bring the installation up and keep it up until SIGINT or SIGTERM; then nothing of it is left.

        Raises AlreadyRunningError when it has a supervisor, ServerFailedError when a part does not become healthy,
        HomeUnusableError when the state cannot be written, and whatever a step raises; nothing is left then either.
        """
        with installation.sole_supervisor(self.plan.home), self._signals.handled():
            try:
                self._begin()
                self._bring_up()
                self._save(ready=True)
                while True:
                    self._tick()
            except StopRequested:
                self._tell("stopping")
            finally:
                self._take_down()

    def _begin(self) -> None:
        me = Identity.of(os.getpid())
        assert me is not None
        for name in installation.end_left_overs(self.plan.home):
            self._tell(f"ended {name}, left over from an earlier run")
        supervisor = RecordedProcess(name="supervisor", pid=me.pid, started_s=me.started_s)
        recorded = state.load(self.plan.home)
        self._last_ports = recorded.ports
        self._state = InstallationState(supervisor=supervisor, ports=recorded.ports)
        self._save()

    def _bring_up(self) -> None:
        with self._step("servers"):
            self._start_on_free_ports(self._prepared_servers)
        for step in self.plan.set_up_steps():
            with self._step(step.name), self._signals.raising():
                step.run()
        with self._step("processes"):
            self._start_on_free_ports(self._prepared_processes)
        for step in self.plan.finishing_steps():
            with self._step(step.name), self._signals.raising():
                step.run()

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self._save(steps=[*self._state.steps, Step(name=name)])
        yield
        done = Step(name=name, took_s=round(time.monotonic() - began, 2))
        self._save(steps=[*self._state.steps[:-1], done])

    def _prepared_servers(self) -> Sequence[Service]:
        with self._signals.raising():
            found = self.plan.prepare_servers(self._last_ports)
        self._save_ports(postgres_dsn=found.postgres_dsn, kafka_bootstrap=found.kafka_bootstrap)
        return self.plan.servers()

    def _prepared_processes(self) -> Sequence[Service]:
        self.plan.prepare_processes(self._last_ports)
        self._save_ports(api=self.plan.api_url, psp_simulator=self.plan.psp_simulator_url)
        return self.plan.processes()

    def _save_ports(self, **addresses: str | None) -> None:
        self._save(ports=self.plan.ports, replaced_ports=self.plan.replaced_ports, **addresses)

    def _start_on_free_ports(self, prepare: Callable[[], Sequence[Service]]) -> None:
        """Start what `prepare` returns; again, on other ports, where another program was quicker to take one."""
        for _ in range(STARTS_ON_LOST_PORTS):
            services = prepare()
            try:
                self._start_and_wait(services)
            except ServerFailedError:
                self._stop([supervised for supervised in self._running if supervised.service in services])
                if not any(is_taken(service) for service in services):
                    raise
                self._tell("a port was taken meanwhile; starting on others")
            else:
                return
        raise ServerFailedError("ports are taken faster than they are chosen")

    def _start_and_wait(self, services: Sequence[Service]) -> None:
        started = [Supervised(service=service, report=self._tell) for service in services]
        self._running += started
        deadline = time.monotonic() + READY_WITHIN_S
        while not all(supervised.healthy for supervised in started):
            self._tick()
            for supervised in started:
                ends_allowed = 1 if lost_a_port(supervised) else ENDS_ALLOWED_AT_START
                if supervised.failures >= ends_allowed or time.monotonic() > deadline:
                    self._give_up(supervised)

    def _give_up(self, supervised: Supervised) -> NoReturn:
        service = supervised.service
        code = supervised.last_exit_code
        what = "did not become healthy" if code is None else describe_end(code)
        raise ServerFailedError(f"{service.name} {what}; its log ends so:\n{tail(service.log_path)}")

    def _tick(self) -> None:
        now = time.monotonic()
        # Not a list in `any`: each has to have its turn.
        if sum(supervised.tick(now) for supervised in self._running) or self._unsaved:
            self._save()
        if now - self._logs_at >= LOGS_LOOKED_AT_EVERY_S:
            self._logs_at = now
            self._keep_logs_short()
        self._signals.check()
        time.sleep(TICK_S)

    def _save(self, **changes: object) -> None:
        processes = [
            # One that has ended and waits for its next start too: it is what is wrong, and not to be forgotten.
            RecordedProcess.of(supervised.last_child, supervised.service.health_url)
            for supervised in self._running
            if supervised.last_child is not None
        ]
        was_up = self._state.ready
        self._state = msgspec.structs.replace(self._state, processes=processes, **changes)
        try:
            state.save(self.plan.home, self._state)
        except HomeUnusableError as error:
            if not was_up:
                raise
            if not self._unsaved:
                self._tell(f"{error}; going on without it")
            self._unsaved = True
        else:
            self._unsaved = False
        with suppress(OSError):
            self.on_change(self._state)

    def _tell(self, sentence: str) -> None:
        with suppress(OSError):  # its log lies on the same disk
            self.report(sentence)

    def _keep_logs_short(self) -> None:
        paths = set((self.plan.home / "logs").glob("*.log"))
        for path in paths - {older_of(path) for path in paths}:
            with suppress(OSError):
                keep_short(path)

    def _take_down(self) -> None:
        """Guilder's processes first, all at once, then the servers they need; then forget them."""
        servers = self.plan.servers()
        self._stop([supervised for supervised in self._running if supervised.service not in servers])
        self._stop(list(self._running))
        try:
            installation.forget_processes(self.plan.home)
        except HomeUnusableError as error:
            self._tell(f"{error}; all is ended all the same")

    def _stop(self, group: Sequence[Supervised]) -> None:
        """Ask all of `group` at once, then wait for each, and supervise them no longer."""
        children = [(s.child, s.service.stop_within_s) for s in group if s.child is not None]
        for child, _ in children:
            child.ask_to_stop()
        for child, timeout_s in children:
            child.stop(timeout_s=timeout_s)
        self._running = [supervised for supervised in self._running if supervised not in group]


def is_taken(service: Service) -> bool:
    """Tell whether somebody listens on one of the ports of a service that does not run."""
    return not all(ports.is_free(port) for port in service.ports)


def lost_a_port(supervised: Supervised) -> bool:
    """Tell whether it has ended because somebody else was quicker to take one of its ports."""
    return supervised.failures > 0 and supervised.child is None and is_taken(supervised.service)
