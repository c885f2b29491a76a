"""What a fetch brought is handed on at once; only the next fetch waits."""

import asyncio
from types import SimpleNamespace
from typing import Any

from processors.log_consumer.paced_fetches import pace


def client(*, brings: bool) -> Any:
    """As much of aiokafka's client as is paced, with one who waits for messages."""

    async def fetch(_assignment: object, _node_id: int, _request: object) -> bool:
        return brings

    def notify(waiter: asyncio.Future[None]) -> None:
        waiter.set_result(None)

    waiter = asyncio.get_running_loop().create_future()
    return SimpleNamespace(
        _fetcher=SimpleNamespace(_proc_fetch_request=fetch, _fetch_waiters={waiter}, _notify=notify), waiter=waiter
    )


async def test_messages_are_taken_during_the_pause() -> None:
    paced = client(brings=True)
    pace(paced, 30)
    fetching = asyncio.create_task(paced._fetcher._proc_fetch_request(None, 0, None))
    await asyncio.wait_for(paced.waiter, 1)
    assert not fetching.done()
    # A fetch that is no longer wanted, because the shards are dealt out anew, says so and raises nothing.
    fetching.cancel()
    assert await fetching is False


async def test_a_fetch_that_brought_nothing_is_followed_by_the_next_at_once() -> None:
    paced = client(brings=False)
    pace(paced, 30)
    async with asyncio.timeout(1):
        assert await paced._fetcher._proc_fetch_request(None, 0, None) is False
    assert not paced.waiter.done()
