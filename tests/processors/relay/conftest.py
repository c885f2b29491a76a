"""A relay in the test's own process, or in one of its own that is started again whenever it ends."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from processors.relay import Relay, RelayOptions
from processors.topics import TopicOptions
from tests.conftest import TEST_SHARDS
from tests.oracles.topic import stored_records

RELAY_PROCESS = Path(__file__).with_name("relay_process.py")


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
    """The relay at work, ended in good order; its failure, if it has ended by itself, is left to the test."""
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield task
    finally:
        ended_by_itself = task.done()
        stop.set()
        await asyncio.wait([task], timeout=15)
        assert task.done()
        if not ended_by_itself:
            task.result()


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30) -> None:
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


class Supervised:
    """A relay process that is started again, after a moment, for as long as it is wanted."""

    def __init__(self, options: RelayOptions) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self.exits: list[int] = []

    async def run(self) -> None:
        while True:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, str(RELAY_PROCESS), msgspec.json.encode(self._options).decode()
            )
            try:
                self.exits.append(await process.wait())
            except asyncio.CancelledError:
                process.terminate()
                await asyncio.wait_for(process.wait(), 20)
                raise
            await asyncio.sleep(0.2)

    async def kill(self) -> None:
        """Kill it, as a machine's death would, and return once it is dead."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


@contextlib.asynccontextmanager
async def supervised(options: RelayOptions) -> AsyncIterator[Supervised]:
    relay = Supervised(options)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
