"""A database with a handler's tables, a topic, and a worker in the test's own process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from processors.log_consumer import HaltedShards, LogConsumer, LogConsumerOptions
from processors.log_consumer.handler import BatchHandler
from tests.conftest import TEST_SHARDS
from tests.processors.log_consumer.seen_records import NAME, TABLES
from tests.processors.topic_writer import make_topic


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Any]:
    """The superuser's connection to a database with the handler's tables."""
    connection: Any = await asyncpg.connect(database)
    try:
        await connection.execute(TABLES)
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def pool(database: str, owner: Any) -> AsyncIterator[Any]:
    pool: Any = await asyncpg.create_pool(database, min_size=1, max_size=5, server_settings={"role": "guilder_app"})
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def options(kafka_bootstrap: str, topic_prefix: str) -> LogConsumerOptions:
    topic = f"{topic_prefix}events"
    await make_topic(kafka_bootstrap, topic)
    return LogConsumerOptions(
        bootstrap_servers=kafka_bootstrap, topic=topic, group=f"{topic_prefix}group", shards=TEST_SHARDS, max_batch=50
    )


def halted_shards(pool: Any) -> HaltedShards:
    return HaltedShards(pool, NAME, SYSTEM_CLOCK)


@contextlib.asynccontextmanager
async def consuming(options: LogConsumerOptions, handler: BatchHandler, pool: Any) -> AsyncIterator[LogConsumer]:
    """A worker at work, ended in good order."""
    consumer = LogConsumer(options, handler, halted_shards(pool))
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    try:
        yield consumer
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def seen(connection: Any, shard: int) -> list[int]:
    """The positions of a shard that were applied, in order."""
    return [
        row["position"]
        for row in await connection.fetch("SELECT position FROM seen WHERE shard = $1 ORDER BY position", shard)
    ]


async def until_seen(connection: Any, expected: dict[int, int], *, within_s: float = 60) -> None:
    """Wait until each shard is applied up to a position."""
    async with asyncio.timeout(within_s):
        # The condition lives in PostgreSQL, where nobody can set an event.
        while {shard: len(await seen(connection, shard)) for shard in expected} != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
