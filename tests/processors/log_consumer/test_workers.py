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
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            raise


async def feed(options: LogConsumerOptions, first: int, last: int) -> None:
    """Send positions `first` … `last` of every shard, a little at a time."""
    for start in range(first, last + 1, 25):
        positions = range(start, min(start + 25, last + 1))
        records = [make_record(shard, position) for position in positions for shard in SHARDS]
        await produce(options.bootstrap_servers, options.topic, records)


async def until_both_work(owner: Any) -> None:
    async with asyncio.timeout(30):
        # The condition lives in PostgreSQL, where nobody can set an event.
        while await owner.fetchval("SELECT count(DISTINCT worker) FROM seen") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_two_workers_share_the_shards_and_apply_each_record_once(
    database: str, options: LogConsumerOptions, owner: Any
) -> None:
    async with worker(database, "first", options):
        await feed(options, 1, 100)
        async with worker(database, "second", options):
            feeding = asyncio.create_task(feed(options, 101, 700))
            await until_both_work(owner)
            await feeding
        # The second has left: the first has all shards again.
        await feed(options, 701, 800)
        await until_seen(owner, dict.fromkeys(SHARDS, 800), within_s=40)
    for shard in SHARDS:
        assert await seen(owner, shard) == list(range(1, 801))
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_worker_that_is_killed_loses_and_repeats_nothing(
    database: str, options: LogConsumerOptions, owner: Any
) -> None:
    feeding = asyncio.create_task(feed(options, 1, 600))
    async with worker(database, "first", options) as first, worker(database, "second", options):
        await until_both_work(owner)
        first.kill()
        await feeding
        await until_seen(owner, dict.fromkeys(SHARDS, 600), within_s=40)
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_named_worker_that_is_killed_goes_on_at_once_when_it_comes_back(
    database: str, options: LogConsumerOptions, owner: Any
) -> None:
    named = msgspec.structs.replace(options, instance="projector-1")
    await feed(options, 1, 50)
    async with worker(database, "before", named) as before:
        await until_seen(owner, dict.fromkeys(SHARDS, 50))
        before.kill()
        await before.wait()
        await feed(options, 51, 100)
        async with worker(database, "after", named):
            # An unnamed one would have to wait until the group has given up its predecessor.
            await until_seen(owner, dict.fromkeys(SHARDS, 100), within_s=5.5)
