"""One process under supervision: watched for its health, and started again with back-off when it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from bootstrap.local_stack.child import Child

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
STEADY_AFTER_S: Final = 30.0
"""A process that has run this long starts from the first pause again."""
CHECK_EVERY_S: Final = 1.0
SILENT_FOR_S: Final = 60.0
"""A process that was well and has answered nothing for so long, as one that was stopped does, is killed."""


class Service(Protocol):
    """What is supervised: a server or one of Guilder's processes."""

    @property
    def name(self) -> str: ...

    @property
    def stop_within_s(self) -> float: ...

    @property
    def health_url(self) -> str | None: ...

    @property
    def ports(self) -> tuple[int, ...]: ...

    @property
    def log_path(self) -> Path: ...

    def start(self) -> Child: ...

    def is_ready(self) -> bool: ...

    def is_live(self) -> bool:
        """Tell whether it answers at all; one that does not for long is started again."""
        ...


def pause_s(failures: int) -> float:
    """Seconds to wait before the start that follows the `failures`-th end in a row (from 1)."""
    return float(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S))


@dataclass
class Supervised:
    """The state of one service; `tick` moves it on. `report` is told, in a sentence, what an operator should know.
    `last_child` is the process it is or was last, also while none runs.

    Times are seconds of a monotonic clock.
    """

    service: Service
    report: Callable[[str], None]
    child: Child | None = None
    last_child: Child | None = None
    healthy: bool = False
    failures: int = 0
    last_exit_code: int | None = None
    _started_at: float = 0.0
    _start_at: float = 0.0
    _check_at: float = 0.0
    _heard_at: float = 0.0
    _once_healthy: bool = field(default=False)

    def tick(self, now: float) -> bool:
        """Do what is due at `now`; True when a process was started."""
        if self.child is not None and self.child.exit_code is not None:
            self._note_end(now, self.child.exit_code)
        if self.child is None:
            if now < self._start_at:
                return False
            try:
                self.child = self.last_child = self.service.start()
            except OSError as error:
                if not self._once_healthy:
                    raise
                self._note_no_start(now, error)
                return False
            self._started_at = self._check_at = now
            return True
        if now >= self._check_at:
            self._check(now, self.child)
        return False

    def _note_end(self, now: float, exit_code: int) -> None:
        self.failures = 1 if now - self._started_at > STEADY_AFTER_S else self.failures + 1
        pause = pause_s(self.failures)
        self.report(f"{self.service.name} {describe_end(exit_code)}; starting it again in {pause:g} s")
        self.child, self.healthy, self._start_at = None, False, now + pause
        self.last_exit_code = exit_code

    def _note_no_start(self, now: float, error: OSError) -> None:
        """The machine has no room for it now; it may have later, and the others go on meanwhile."""
        self.failures += 1
        pause = pause_s(self.failures)
        self.report(f"{self.service.name} could not be started: {error.strerror or error}; trying again in {pause:g} s")
        self._start_at = now + pause

    def _check(self, now: float, child: Child) -> None:
        self._check_at = now + (CHECK_EVERY_S if self._once_healthy else CHECK_EVERY_S / 5)
        # Another installation may be what answers on the port; the answer is ours only if the port is.
        ours = self._once_healthy or all(child.listens_on(port) for port in self.service.ports)
        was_healthy, self.healthy = self.healthy, ours and self.service.is_ready()
        if self.healthy and not was_healthy and self._once_healthy:
            self.report(f"{self.service.name} is healthy again")
        if was_healthy and not self.healthy:
            self.report(f"{self.service.name} is not healthy")
        self._once_healthy = self._once_healthy or self.healthy
        if self.healthy or not self._once_healthy or self.service.is_live():
            self._heard_at = now
        elif now - self._heard_at > SILENT_FOR_S:
            # It may hold locks and leases that somebody else could work with.
            self.report(f"{self.service.name} has answered nothing for {SILENT_FOR_S:g} s; killing it")
            self._heard_at = now
            child.kill()


def describe_end(exit_code: int) -> str:
    """How a process ended, in words."""
    return f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
