"""What the figures were taken on: without it they mean nothing a month later."""

import os
import platform
import subprocess
from importlib.metadata import version
from typing import Final

import msgspec
import psutil

from bootstrap.bench.fsync import fdatasync_ms
from bootstrap.bench.ground import Ground
from bootstrap.bench.load import CONNECTIONS, OURS
from bootstrap.bench.wrk import find_wrk

_FSYNC_S: Final = 0.5


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, the programs, the way of measuring. `load_1m` is the load average when the bench began."""

    cores: int
    memory_gib: float
    load_1m: float
    system: str
    python: str
    uvicorn: str
    postgres: str
    postgres_fsync: str
    connections: int
    generator: str
    rounds: int
    seconds: float
    lifecycles: int
    fdatasync_p50_ms: float
    fdatasync_p99_ms: float


def observe(ground: Ground, *, load_1m: float, rounds: int, seconds: float, lifecycles: int) -> Conditions:
    """What can be seen from here, of this machine, the ground's disk and its PostgreSQL."""
    fdatasync_p50_ms, fdatasync_p99_ms = fdatasync_ms(ground.home, seconds=min(_FSYNC_S, seconds))
    return Conditions(
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        load_1m=load_1m,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        uvicorn=f"{version('uvicorn')}, uvloop {version('uvloop')}, httptools {version('httptools')}",
        postgres=ground.execute("postgres", "SHOW server_version"),
        postgres_fsync=ground.execute("postgres", "SHOW fsync"),
        connections=CONNECTIONS,
        generator=_generator(),
        rounds=rounds,
        seconds=seconds,
        lifecycles=lifecycles,
        fdatasync_p50_ms=fdatasync_p50_ms,
        fdatasync_p99_ms=fdatasync_p99_ms,
    )


def _generator() -> str:
    wrk = find_wrk()
    if wrk is None:
        return f"{OURS}, in a process of its own (there is no wrk on the PATH)"
    command = [str(wrk), "-v"]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    version_text = (said.stdout + said.stderr).partition(" [")[0].splitlines()
    return f"{' '.join(version_text)}, where a row needs nothing that only {OURS} can; each row says which"
