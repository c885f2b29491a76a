"""Starting, recognising and ending a process. A process is known by its pid *and* when it started, so that a
recorded pid which the machine has given to somebody else meanwhile is never touched.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bootstrap.log_files import keep_short

LAUNCHER: Final = Path(__file__).with_name("launch.py")
START_TOLERANCE_S: Final = 2.0
"""A start time is derived from the boot time, which moves a little when the clock is corrected."""
KILLED_WITHIN_S: Final = 10.0


@dataclass(frozen=True)
class Identity:
    """A process of this machine: its pid and its start, in seconds since the epoch."""

    pid: int
    started_s: float

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Identify the living process `pid`; None when there is none."""
        try:
            return cls(pid=pid, started_s=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def find(self) -> psutil.Process | None:
        """Return the process if it still lives and is the same one; a zombie no longer does."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_s) < START_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    @property
    def is_alive(self) -> bool:
        return self.find() is not None


@dataclass(frozen=True)
class Owner:
    """The user a process runs as; `reach` when directories on the way to its files are closed to that user."""

    uid: int = 0
    gid: int = 0
    reach: bool = False


@dataclass
class Child:
    """A process started here, in a session of its own, whose output goes to a log file."""

    name: str
    process: subprocess.Popen[bytes]
    identity: Identity
    stop_signal: int

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.process.poll()

    def listens_on(self, port: int) -> bool:
        """Tell whether it is this process that listens on `port`, and not one that was there before it."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)

    def ask_to_stop(self) -> None:
        """Send the polite signal and return at once."""
        if self.exit_code is None:
            self.process.send_signal(self.stop_signal)

    def stop(self, *, timeout_s: float) -> int:
        """Ask, wait at most `timeout_s`, then kill the whole session. Returns the exit code."""
        self.ask_to_stop()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait(KILLED_WITHIN_S)

    def kill(self) -> None:
        """Kill the process and whatever still shares its session's process group."""
        if self.exit_code is None:
            kill_session(self.pid)


def start(
    name: str,
    command: Sequence[str],
    *,
    log_path: Path,
    stop_signal: int = signal.SIGTERM,
    owner: Owner = Owner(),
    environment: Mapping[str, str] | None = None,
    outlives_parent: bool = False,
) -> Child:
    """Start `command` (its first word an absolute path) with output appended to `log_path`.

    On Linux the child gets `stop_signal` when the thread that called this ends, however it ends, unless
    `outlives_parent`; elsewhere orphans are left for `end_recorded`. Raises OSError when it cannot be started.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
    arguments = [0 if outlives_parent else int(stop_signal), owner.uid, owner.gid, int(owner.reach)]
    log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_short(log_path)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*launcher, *map(str, arguments), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    identity = Identity.of(process.pid)
    if identity is None:  # cannot be: an unreaped child is at least a zombie, which still has a start time
        raise ChildProcessError(f"{name} vanished as it was started")
    return Child(name=name, process=process, identity=identity, stop_signal=stop_signal)


def write_private(path: Path, text: str, *, uid: int | None = None) -> None:
    """Write `text` to `path` so that only `uid` (default: this user) may ever read it."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    if uid is not None:
        os.chown(path, uid, -1)


def end_recorded(identity: Identity, *, stop_signal: int = signal.SIGTERM, timeout_s: float = 10.0) -> bool:
    """End a process that somebody else started; False when it is gone already. Never raises when it ends meanwhile."""
    process = identity.find()
    if process is None:
        return False
    try:
        process.send_signal(stop_signal)
        process.wait(timeout_s)
    except psutil.TimeoutExpired:
        kill_session(identity.pid)
        process.wait(KILLED_WITHIN_S)
    except psutil.NoSuchProcess:
        pass
    return True


def kill_session(pid: int) -> None:
    """Kill a process together with its group where it leads one, as all that are started here do."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
