"""A relay in the test's own process, to be started, asked and ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from processors.relay import Relay, RelayOptions
from processors.topics import TopicOptions
from tests.conftest import TEST_SHARDS
from tests.oracles.topic import stored_records


@pytest.fixture
def options(database: str, kafka_bootstrap: str, topic_prefix: str) -> RelayOptions:
    return RelayOptions(
        dsn=database,
        bootstrap_servers=kafka_bootstrap,
        topic=TopicOptions(name=f"{topic_prefix}events", partitions=TEST_SHARDS),
        take_over_every_s=0.2,
    )


@contextlib.asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    """The relay at work; ended in good order unless it has ended by itself."""
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task], timeout=15)
        assert task.done()
        if not task.cancelled() and task.exception() is None:
            task.result()


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 15) -> None:
    """Wait for a condition, but not for long."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - the condition lives in servers, nobody can set an event
            await asyncio.sleep(0.02)


async def drained(relay: Relay, dsn: str) -> None:
    """Wait until the relay, leading all shards, has sent all that the store holds."""
    heads = {shard: len(records) for shard, records in (await stored_records(dsn)).items()}

    async def all_sent() -> bool:
        copies = relay._copies
        return all(shard in copies and copies[shard].position == head for shard, head in heads.items())

    await until(all_sent)
