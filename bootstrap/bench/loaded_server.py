"""One server under load from the generator, with the share of a core that the server's process used meanwhile."""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bootstrap.bench.load import Load, LoadResult, run_load
from bootstrap.bench.wrk import can_drive, find_wrk, run_wrk
from bootstrap.local_stack.child import Child


@dataclass(frozen=True)
class LoadedServer:
    """A server on `port`, the keys it knows its callers by, and a folder for the generator's files."""

    process: Child
    port: int
    bearers: tuple[str, ...]
    folder: Path

    def drive(self, load: Load) -> tuple[LoadResult, float]:
        """Drive the load, with wrk where it can; what came of it, and the share of a core that the server used from beginning to end."""
        watched = psutil.Process(self.process.pid)
        began, before = time.perf_counter(), watched.cpu_times()
        wrk = find_wrk() if can_drive(load) else None
        result = run_load(load, self.folder) if wrk is None else run_wrk(wrk, load, self.folder)
        after = watched.cpu_times()
        used = after.user - before.user + after.system - before.system
        # Starting the generator is part of the wall time, not of the load.
        return result, used / min(load.warm_up_s + result.elapsed_s, time.perf_counter() - began)
