"""How often the relay reads, and for how many shards at a time."""

import asyncio
from typing import Any

from processors.relay.store_reader import StoreReader


class CountedPool:
    """A pool whose log is empty; it keeps when it was asked, and for which shards."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, list[int]]] = []

    async def fetch(self, _statement: str, shards: list[int], _after: list[int], _limit: int) -> list[Any]:
        self.asked.append((asyncio.get_running_loop().time(), shards))
        return []


async def test_the_first_is_read_at_once_and_what_is_asked_soon_after_together() -> None:
    pool = CountedPool()
    reader = StoreReader(pool, limit=10, gather_s=0.2)
    asked_at = asyncio.get_running_loop().time()
    await reader.read(0, 0)
    await asyncio.gather(reader.read(1, 0), reader.read(2, 0), reader.read(3, 0))
    (first_at, first), (second_at, second) = pool.asked
    assert (first, second) == ([0], [1, 2, 3])
    assert first_at - asked_at < 0.1
    assert second_at - first_at >= 0.19


async def test_who_gave_up_reading_may_read_again_at_once() -> None:
    pool = CountedPool()
    reader = StoreReader(pool, limit=10, gather_s=0.2)
    await reader.read(0, 0)
    given_up = asyncio.create_task(reader.read(1, 0))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert await reader.read(1, 0) == []
    assert [shards for _, shards in pool.asked] == [[0], [1]]
