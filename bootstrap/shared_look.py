"""A look at something that costs others, shared by all who ask at about the same time: anyone may ask, as often as they like."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

Seen = TypeVar("Seen")


class SharedLook(Generic[Seen]):
    """What `look` has seen now or at most `fresh_for_s` seconds ago; whoever asks while it looks waits for that."""

    def __init__(self, look: Callable[[], Awaitable[Seen]], *, fresh_for_s: float) -> None:
        self._look = look
        self._fresh_for_s = fresh_for_s
        self._looking = asyncio.Lock()
        self._seen: Seen
        self._seen_at_s = float("-inf")

    async def __call__(self) -> Seen:
        """What was seen. Raises what `look` raises; the next to ask looks anew."""
        async with self._looking:
            if monotonic() - self._seen_at_s >= self._fresh_for_s:
                self._seen = await self._look()
                self._seen_at_s = monotonic()
            return self._seen
