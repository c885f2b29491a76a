"""A relay that is killed, and a broker that is away: the store goes on, and the topic is whole in the end."""

import asyncio
import signal
from typing import Any

import asyncpg
import msgspec
import pytest

from processors.relay import RelayOptions
from processors.topics import TopicOptions
from tests.conftest import TEST_SHARDS
from tests.oracles.topic import faults_of_topic
from tests.processors.log_writer import append
from tests.processors.own_broker import OwnBroker
from tests.processors.relay.conftest import supervised, until

AWAY_S = 8
KILLS = 3


async def fill(dsn: str, *, until_set: asyncio.Event) -> int:
    """Append to every shard in turn until told to stop; how many records it were."""
    written = 0
    while not until_set.is_set():
        for shard in range(TEST_SHARDS):
            await append(dsn, shard, 20)
            written += 20
        await asyncio.sleep(0.02)
    return written


async def ask(dsn: str, question: str) -> Any:
    connection: Any = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def copied(options: RelayOptions) -> bool:
    """Whether Kafka has acknowledged each shard's head."""
    behind = "SELECT count(*) FROM heads LEFT JOIN relay_checkpoints c USING (shard) WHERE heads.position <> c.position"
    return bool(await ask(options.dsn, behind) == 0)


async def acknowledged(options: RelayOptions) -> int:
    """How many records Kafka has acknowledged, by the relays' checkpoints."""
    count: int | None = await ask(options.dsn, "SELECT sum(position)::bigint FROM relay_checkpoints")
    return count or 0


async def goes_on(options: RelayOptions, *, within_s: float = 60) -> None:
    """Wait until a relay has had something more acknowledged than now."""
    before = await acknowledged(options)

    async def more() -> bool:
        return await acknowledged(options) > before

    await until(more, within_s=within_s)


async def written(dsn: str) -> int:
    """How many records the store holds."""
    count: int = await ask(dsn, "SELECT sum(position)::bigint FROM heads")
    return count


async def test_a_relay_that_is_killed_again_and_again_leaves_no_gap(options: RelayOptions) -> None:
    enough = asyncio.Event()
    async with supervised(options) as relay:
        filling = asyncio.create_task(fill(options.dsn, until_set=enough))
        for _ in range(KILLS):
            await goes_on(options)
            await relay.kill()
        enough.set()
        await filling
        await until(lambda: copied(options), within_s=90)
    assert relay.exits.count(-signal.SIGKILL) == KILLS
    assert await faults_of_topic(options.dsn, options.bootstrap_servers, options.topic.name) == []


# In the suite the whole installation does this, in tests/campaign/test_short_campaign.py.
@pytest.mark.campaign
async def test_a_broker_that_is_away_holds_nobody_up_and_is_caught_up_with(
    database: str, own_broker: OwnBroker
) -> None:
    options = RelayOptions(
        dsn=database,
        bootstrap_servers=own_broker.server.bootstrap_servers,
        topic=TopicOptions(name="events", partitions=TEST_SHARDS),
        request_timeout_ms=2000,
    )
    enough = asyncio.Event()
    async with supervised(options) as relay:
        filling = asyncio.create_task(fill(database, until_set=enough))
        await goes_on(options)
        own_broker.kill()
        before = await written(database)
        await asyncio.sleep(AWAY_S)
        assert await written(database) > before + TEST_SHARDS * 20, "the store goes on"
        assert [code for code in relay.exits if code], "the relay gives up what it cannot be sure of"
        await asyncio.to_thread(own_broker.start)
        await asyncio.sleep(2)
        enough.set()
        await filling
        await until(lambda: copied(options), within_s=90)
    assert await faults_of_topic(database, options.bootstrap_servers, options.topic.name) == []


@pytest.mark.parametrize("deadline_ms", [0, 10_001])
def test_a_deadline_is_at_most_ten_seconds(options: RelayOptions, deadline_ms: int) -> None:
    with pytest.raises(ValueError, match="at most 10,000"):
        msgspec.structs.replace(options, request_timeout_ms=deadline_ms)
