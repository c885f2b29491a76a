"""An installation's home: who may supervise it, what is left of an earlier run, and how it is ended from outside."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bootstrap.local_stack import LocalStackError, child, state
from bootstrap.local_stack.servers import postgres_server
from bootstrap.local_stack.state import InstallationState

SUPERVISOR_STOPS_WITHIN_S: Final = 60.0
POLL_S: Final = 0.05


class AlreadyRunningError(LocalStackError):
    """Another supervisor has this installation."""


@contextmanager
def sole_supervisor(home: Path) -> Iterator[None]:
    """Hold the installation for as long as the context lasts; raises AlreadyRunningError.

    The lock is on the directory itself, so it needs no file of its own, and the kernel drops it with its holder
    however that ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(f"{home} is already running") from error
        yield
    finally:
        os.close(descriptor)


def end_left_overs(home: Path) -> list[str]:
    """End what a supervisor that was killed has left running; returns the names. To be called with the lock held."""
    recorded = state.load(home)
    ended = state.end_all(recorded.processes)
    # A postmaster is known by its data directory too, even if its supervisor died before it could write it down.
    postmaster = postgres_server(home, 0).find_postmaster()
    if postmaster is not None and child.end_recorded(postmaster):
        ended.append("postgres")
    return ended


def end(home: Path) -> list[str]:
    """Stop everything that runs for `home`; returns the names of what was ended, empty when nothing ran.

    A supervisor that lives ends its own processes; one that was killed has its processes ended for it.
    """
    ended: list[str] = []
    before = state.load(home)
    supervisor = before.supervisor
    if supervisor is not None and child.end_recorded(supervisor.identity, timeout_s=SUPERVISOR_STOPS_WITHIN_S):
        ended += ["supervisor", *(process.name for process in before.processes)]
    if not home.is_dir():
        return ended
    deadline = time.monotonic() + SUPERVISOR_STOPS_WITHIN_S
    while True:
        try:
            with sole_supervisor(home):
                ended += [name for name in end_left_overs(home) if name not in ended]
                forget_processes(home)
                return ended
        except AlreadyRunningError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def forget_processes(home: Path) -> None:
    """Record that nothing runs; the ports are kept for the next time."""
    recorded = state.load(home)
    if recorded != InstallationState(ports=recorded.ports):
        state.save(home, msgspec.structs.replace(InstallationState(), ports=recorded.ports))
