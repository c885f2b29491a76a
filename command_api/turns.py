"""Turns for whoever is not known, so that however many ask, those who are known are served in between.

A turn of the event loop takes as long as all that is ready in it, and a payment takes some dozens of turns. Of a thousand
requests with made-up keys each turn would answer a thousand, and whoever has a valid key would wait for all of them
again and again. With a few in each turn the process does as much, and nobody who has a key waits for long.
"""

import asyncio
from collections import deque
from typing import Final

PER_TURN: Final = 8


class Turns:
    """Lets at most `per_turn` pass in each turn of the event loop, in the order in which they came."""

    def __init__(self, per_turn: int = PER_TURN) -> None:
        self._per_turn = per_turn
        self._left = per_turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn; nothing, unless others have taken all of this one."""
        if not self._left:
            mine = asyncio.get_running_loop().create_future()
            self._waiting.append(mine)
            await mine
            return
        self._take_one()

    def _take_one(self) -> None:
        if self._left == self._per_turn:
            asyncio.get_running_loop().call_soon(self._begin)
        self._left -= 1

    def _begin(self) -> None:
        self._left = self._per_turn
        while self._waiting and self._left:
            one = self._waiting.popleft()
            if not one.done():
                self._take_one()
                one.set_result(None)
