"""Simulated time: real time, scaled and moved at will, and never running backwards.

Every deadline of the simulator (a pending capture, the seven days of a hold, the hour-glass of a silent answer) is
counted in simulated milliseconds. The anchor that ties simulated to real time is durable, so a restart goes on from
where the clock would have been.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

SECOND_MS = 1_000
DAY_MS = 86_400_000
MAX_SCALE = 1_000_000.0


class Anchor(msgspec.Struct, frozen=True):
    """At real time `real_ms` the simulated time was `simulated_ms`, from there on running `scale` times as fast.

    Both are milliseconds since 1970 UTC. A scale of 0 stops the clock: it then moves by `advance` alone.
    """

    real_ms: int
    simulated_ms: int
    scale: float


def machine_clock() -> Callable[[], int]:
    """A reader of real milliseconds since 1970 UTC that no correction of the machine's clock turns back."""
    # The simulator imports none of the house's folders, so its one reading of the machine's clock stands here.
    wall_ns = time.time_ns()  # noqa: TID251
    started_ns = time.monotonic_ns()
    return lambda: (wall_ns + time.monotonic_ns() - started_ns) // 1_000_000


def rfc3339(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, as every time on the wire."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SimulatedClock:
    """Reads simulated time and sleeps in it. Read from any thread; moved from the event loop only."""

    def __init__(self, real_ms: Callable[[], int], anchor: Anchor) -> None:
        self._real_ms = real_ms
        self._anchor = anchor
        self._moved = asyncio.Event()

    @property
    def scale(self) -> float:
        return self._anchor.scale

    def now_ms(self) -> int:
        anchor = self._anchor
        return anchor.simulated_ms + int(max(0, self._real_ms() - anchor.real_ms) * anchor.scale)

    def anchored(self, *, scale: float | None = None, advance_ms: int = 0) -> Anchor:
        """The anchor that gives the present moment another scale, or moves it forward; nothing is changed yet."""
        return Anchor(
            real_ms=self._real_ms(),
            simulated_ms=self.now_ms() + advance_ms,
            scale=self.scale if scale is None else scale,
        )

    def move(self, anchor: Anchor) -> None:
        """Go by another anchor from now on and wake all sleepers, who measure their rest anew."""
        self._anchor = anchor
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep(self, duration_ms: int) -> None:
        """Return when `duration_ms` of simulated time have passed, however the clock is moved meanwhile."""
        until_ms = self.now_ms() + duration_ms
        while (rest_ms := until_ms - self.now_ms()) > 0:
            timeout_s = rest_ms / 1000 / self.scale if self.scale else None
            try:
                await asyncio.wait_for(self._moved.wait(), timeout_s)
            except TimeoutError:
                continue
