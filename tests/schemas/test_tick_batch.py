import asyncio
from collections.abc import Mapping, Sequence

import pytest

from schemas.tick_batch import TickBatch


class Doubling:
    """Finds twice the key, and remembers what it was asked for together."""

    def __init__(self) -> None:
        self.queries: list[list[int]] = []
        self.begun = asyncio.Event()

    async def __call__(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.queries.append(list(keys))
        self.begun.set()
        await asyncio.sleep(0)
        if 13 in keys:
            raise LookupError
        return {key: 2 * key for key in keys}


async def test_what_is_asked_in_one_tick_is_one_query() -> None:
    fetch = Doubling()
    batch = TickBatch(fetch, limit=100)
    assert await asyncio.gather(*(batch.get(key) for key in (1, 2, 1, 3))) == [2, 4, 2, 6]
    assert fetch.queries == [[1, 2, 3]]
    assert await batch.get(4) == 8
    assert fetch.queries == [[1, 2, 3], [4]]


async def test_a_query_is_bounded() -> None:
    fetch = Doubling()
    batch = TickBatch(fetch, limit=2)
    await asyncio.gather(*(batch.get(key) for key in range(5)))
    assert fetch.queries == [[0, 1], [2, 3], [4]]


async def test_an_error_reaches_everyone_who_asked_and_nobody_else() -> None:
    batch = TickBatch(Doubling(), limit=100)
    outcomes = await asyncio.gather(batch.get(13), batch.get(1), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LookupError, LookupError]
    assert await batch.get(1) == 2


async def test_an_answer_that_is_an_error_reaches_only_those_who_asked_for_it() -> None:
    async def fetch(keys: Sequence[int]) -> Mapping[int, int | Exception]:
        await asyncio.sleep(0)
        return {key: LookupError() if key == 13 else 2 * key for key in keys}

    batch = TickBatch(fetch, limit=100)
    bad, good = await asyncio.gather(batch.get(13), batch.get(1), return_exceptions=True)
    assert isinstance(bad, LookupError)
    assert good == 2


async def test_one_who_goes_away_takes_nobody_along() -> None:
    batch = TickBatch(Doubling(), limit=100)
    tasks = [asyncio.create_task(batch.get(1)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await asyncio.gather(*tasks[1:]) == [2, 2]
    await batch.close()


async def test_while_enough_queries_are_under_way_what_comes_gathers_for_the_next() -> None:
    answering = asyncio.Event()
    queries: list[list[int]] = []

    async def fetch(keys: Sequence[int]) -> Mapping[int, int]:
        queries.append(list(keys))
        await answering.wait()
        return {key: 2 * key for key in keys}

    batch = TickBatch(fetch, limit=2, at_once=1)
    asked = []
    for key in range(5):
        asked.append(asyncio.create_task(batch.get(key)))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert queries == [[0]]
    answering.set()
    await batch.close()
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8]
    assert queries == [[0], [1, 2], [3, 4]]


async def test_those_who_were_answered_and_ask_again_join_those_who_wait() -> None:
    fetch = Doubling()
    batch = TickBatch(fetch, limit=100, at_once=1)

    async def twice(key: int) -> list[int]:
        first = await batch.get(key)
        await asyncio.sleep(0)  # a client takes a moment
        return [first, await batch.get(key + 10)]

    async def later(key: int) -> int:
        await fetch.begun.wait()
        return await batch.get(key)

    first = asyncio.gather(*(twice(key) for key in range(3)))
    assert await later(5) == 10
    assert await first == [[0, 20], [2, 22], [4, 24]]
    assert fetch.queries == [[0, 1, 2], [5, 10, 11, 12]]


async def test_closing_waits_for_those_whose_query_has_not_begun() -> None:
    fetch = Doubling()
    batch = TickBatch(fetch, limit=1, at_once=1)
    asked = [asyncio.create_task(batch.get(key)) for key in range(4)]
    await asyncio.sleep(0)
    await batch.close()
    assert [task.done() for task in asked] == [True] * 4
