"""A checkpoint that goes back, as the last commits before a crash may when they did not wait for the disk."""

import asyncio
from typing import Any

from processors.log_consumer import LogConsumerOptions
from tests.processors.log_consumer.conftest import consuming, seen, until_seen
from tests.processors.log_consumer.seen_records import NAME, SeenRecords
from tests.processors.log_writer import make_record
from tests.processors.topic_writer import produce


async def forget(owner: Any, shard: int, after: int) -> None:
    """Have the database forget what was applied behind a position, together with its checkpoint."""
    async with owner.transaction():
        await owner.execute("DELETE FROM seen WHERE shard = $1 AND position > $2", shard, after)
        await owner.execute(
            "UPDATE checkpoints SET position = $3 WHERE projection = $1 AND shard = $2", NAME, shard, after
        )


async def test_what_was_forgotten_is_applied_again_though_nothing_follows(
    options: LogConsumerOptions, owner: Any, pool: Any
) -> None:
    records = [make_record(shard, position) for shard in (0, 1) for position in range(1, 31)]
    await produce(options.bootstrap_servers, options.topic, records)
    async with consuming(options, SeenRecords(pool), pool) as consumer:
        await until_seen(owner, {0: 30, 1: 30})
        await forget(owner, 0, 20)
        await until_seen(owner, {0: 30, 1: 30})
        await asyncio.sleep(1)
        assert consumer.health().positions[0] == 30
        # Twice in a row is no missing record.
        await forget(owner, 0, 25)
        await produce(options.bootstrap_servers, options.topic, [make_record(0, 31)])
        await until_seen(owner, {0: 31})
        await forget(owner, 0, 25)
        await produce(options.bootstrap_servers, options.topic, [make_record(0, 32)])
        await until_seen(owner, {0: 32})
        assert consumer.health().halted == []
    assert await seen(owner, 0) == list(range(1, 33))
