"""What an installation remembers in its home between one command and the next: ports, and who was started.

Written before anybody needs it and replaced in one step, so that after a crash the next `up` or `down` knows which
processes to end, and ends no other.
"""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from bootstrap.local_stack import LocalStackError, child
from bootstrap.local_stack.child import Child, Identity

STATE_FILE: Final = "state.json"


class RecordedProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process that was started; `health_url` is null for PostgreSQL and Kafka."""

    name: str
    pid: int
    started_s: float
    stop_signal: int = signal.SIGTERM
    health_url: str | None = None

    @property
    def identity(self) -> Identity:
        return Identity(pid=self.pid, started_s=self.started_s)

    @classmethod
    def of(cls, started: Child, health_url: str | None = None) -> "RecordedProcess":
        return cls(
            name=started.name,
            pid=started.pid,
            started_s=started.identity.started_s,
            stop_signal=started.stop_signal,
            health_url=health_url,
        )


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One part of coming up; `took_s` is null while it lasts."""

    name: str
    took_s: float | None = None


class InstallationState(msgspec.Struct, frozen=True, kw_only=True):
    """`supervisor` is null when none runs; `steps` tell how far it has come up; `ports` outlive a run, to be used again.

    `replaced_ports` are those that were in use, by the name of who would have had them.
    """

    supervisor: RecordedProcess | None = None
    steps: list[Step] = []
    ready: bool = False
    ports: dict[str, int] = {}
    replaced_ports: dict[str, int] = {}
    processes: list[RecordedProcess] = []
    postgres_dsn: str | None = None
    kafka_bootstrap: str | None = None
    api: str | None = None
    psp_simulator: str | None = None

    @property
    def supervisor_is_alive(self) -> bool:
        return self.supervisor is not None and self.supervisor.identity.is_alive


class HomeUnusableError(LocalStackError):
    """The installation's home cannot be one."""


def make(home: Path) -> None:
    """Make the home where it is not there yet. Raises HomeUnusableError."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusableError(f"{home} cannot hold an installation: {error.strerror}") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise HomeUnusableError(f"{home} cannot hold an installation: it may not be written to")


def load(home: Path) -> InstallationState:
    """Read the state; a home that has none, or one that is not understood, begins anew.

    Raises HomeUnusableError when the home is no directory, or one that is closed to this user.
    """
    try:
        return msgspec.json.decode((home / STATE_FILE).read_bytes(), type=InstallationState)
    except (FileNotFoundError, msgspec.DecodeError):
        return InstallationState()
    except OSError as error:
        raise HomeUnusableError(f"{home} cannot hold an installation: {error.strerror}") from error


def save(home: Path, state: InstallationState) -> None:
    """Replace the state in one step; readable by its user alone, for it holds a DSN with a password.

    Raises HomeUnusableError, and leaves the state as it was.
    """
    pending = home / f"{STATE_FILE}.new"
    try:
        home.mkdir(parents=True, exist_ok=True)
        child.write_private(pending, msgspec.json.format(msgspec.json.encode(state), indent=2).decode())
        pending.replace(home / STATE_FILE)
    except OSError as error:
        raise HomeUnusableError(f"{home} cannot be written to: {error.strerror}") from error


def end_all(recorded: Iterable[RecordedProcess], *, timeout_s: float = 20.0) -> list[str]:
    """End those of `recorded` that still live, the last started first; returns their names."""
    return [
        process.name
        for process in reversed(list(recorded))
        if child.end_recorded(process.identity, stop_signal=process.stop_signal, timeout_s=timeout_s)
    ]
