"""How long this disk takes to make one page durable: the time below which no single commit can come."""

import os
import time
from pathlib import Path
from typing import Final

from bootstrap.bench.figures import percentile

_PAGE: Final = bytes(8192)


def fdatasync_ms(folder: Path, *, seconds: float) -> tuple[float, float]:
    """p50 and p99, in milliseconds, of writing 8 KiB over themselves and `fdatasync`, as `pg_test_fsync` does."""
    path = folder / "fsync"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    times: list[float] = []
    try:
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until or not times:
            os.pwrite(descriptor, _PAGE, 0)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    times.sort()
    return percentile(times, 50) * 1000, percentile(times, 99) * 1000
