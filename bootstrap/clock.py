"""The machine's clock and randomness: the only module that reads either, so everything else takes them as arguments."""

import os
import time
from typing import Final


class SystemClock:
    """The wall clock of this machine; satisfies the `Clock` protocol of `schemas.clock`."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000  # noqa: TID251 - this is the one place that may ask the machine


SYSTEM_CLOCK: Final = SystemClock()


def random_bytes(count: int) -> bytes:
    """Return `count` bytes from the operating system's cryptographic generator."""
    return os.urandom(count)
