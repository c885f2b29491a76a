"""Workers as processes of their own: they share the shards, and one that is killed loses and repeats nothing."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from processors.log_consumer import LogConsumerOptions
from tests.processors.log_consumer.conftest import seen, until_seen
from tests.processors.log_writer import make_record
from tests.processors.topic_writer import produce

SHARDS = range(4)
STEP = 25
WORKER = Path(__file__).with_name("worker.py")


@contextlib.asynccontextmanager
async def worker(dsn: str, name: str, options: LogConsumerOptions) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process; asked to end, and made to, when the test is done with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), dsn, name, msgspec.json.encode(options).decode()
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            raise


async def feed(options: LogConsumerOptions, first: int, last: int) -> None:
    """Send positions `first` … `last` of every shard."""
    records = [make_record(shard, position) for position in range(first, last + 1) for shard in SHARDS]
    await produce(options.bootstrap_servers, options.topic, records)


async def feed_until_both_work(options: LogConsumerOptions, owner: Any, first: int) -> int:
    """Send on until both workers have applied something; the last position that was sent."""
    last = first - 1
    async with asyncio.timeout(60):
        while await owner.fetchval("SELECT count(DISTINCT worker) FROM seen") < 2:
            await feed(options, last + 1, last + STEP)
            last += STEP
            await asyncio.sleep(0.2)
    return last


async def test_two_workers_share_the_shards_and_apply_each_record_once(
    database: str, options: LogConsumerOptions, owner: Any
) -> None:
    async with worker(database, "first", options):
        await feed(options, 1, 100)
        await until_seen(owner, dict.fromkeys(SHARDS, 100))
        async with worker(database, "second", options):
            last = await feed_until_both_work(options, owner, 101)
            await feed(options, last + 1, last + 200)
        # The second has left: the first has all shards again.
        await feed(options, last + 201, last + 300)
        await until_seen(owner, dict.fromkeys(SHARDS, last + 300))
    for shard in SHARDS:
        assert await seen(owner, shard) == list(range(1, last + 301))
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_worker_that_is_killed_loses_and_repeats_nothing(
    database: str, options: LogConsumerOptions, owner: Any
) -> None:
    async with worker(database, "first", options) as first, worker(database, "second", options):
        last = await feed_until_both_work(options, owner, 1)
        await feed(options, last + 1, last + 300)
        first.kill()
        await until_seen(owner, dict.fromkeys(SHARDS, last + 300))
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_named_worker_that_is_killed_goes_on_at_once_when_it_comes_back(
    database: str, options: LogConsumerOptions, owner: Any
) -> None:
    named = msgspec.structs.replace(options, instance="projector-1", session_timeout_s=30.0)
    await feed(options, 1, 50)
    async with worker(database, "before", named) as before:
        await until_seen(owner, dict.fromkeys(SHARDS, 50))
        before.kill()
        await before.wait()
        await feed(options, 51, 100)
        async with worker(database, "after", named):
            # An unnamed one would have to wait until the group has given up its predecessor.
            await until_seen(owner, dict.fromkeys(SHARDS, 100), within_s=25)
