"""The Faust host on a real Kafka: each record once, in order, whatever arrives twice, late or not at all."""

import asyncio
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from processors.log_consumer import LogConsumer, LogConsumerOptions
from processors.log_consumer.faust_app import Placement
from processors.log_consumer.stall_watch import Stalled
from tests.processors.log_consumer.conftest import consuming, halted_shards, seen, until_seen
from tests.processors.log_consumer.seen_records import NAME, SeenRecords
from tests.processors.log_writer import make_record
from tests.processors.topic_writer import drop_topic, make_topic, produce


def run_of(shard: int, first: int, last: int) -> list[Any]:
    return [make_record(shard, position) for position in range(first, last + 1)]


async def until_halted(connection: Any, shard: int) -> Any:
    """The row of a halted shard, once it is there."""
    async with asyncio.timeout(60):
        while True:
            row = await connection.fetchrow(
                "SELECT * FROM halted_shards WHERE projection = $1 AND shard = $2", NAME, shard
            )
            if row is not None:
                return row
            await asyncio.sleep(0.05)


async def test_every_record_is_applied_once_and_in_order(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    for shard in range(4):
        await produce(options.bootstrap_servers, options.topic, run_of(shard, 1, 200))
    async with consuming(options, SeenRecords(pool), pool) as consumer:
        await until_seen(owner, dict.fromkeys(range(4), 200))
        await produce(options.bootstrap_servers, options.topic, run_of(2, 201, 210))
        await until_seen(owner, {2: 210})
        # How much is waiting in Kafka is asked now and then.
        async with asyncio.timeout(30):
            while consumer.health().lag != dict.fromkeys(range(4), 0):  # noqa: ASYNC110 - a health report sets no event
                await asyncio.sleep(0.05)
        assert consumer.health().ready
        assert consumer.health().positions == {0: 200, 1: 200, 2: 210, 3: 200}
    # A second worker starts where the first ended, not where Kafka believes it did.
    again = SeenRecords(pool)
    async with consuming(options, again, pool):
        await produce(options.bootstrap_servers, options.topic, run_of(2, 211, 211))
        await until_seen(owner, {2: 211})
    assert min(position for batch in again.batches for position in batch.get(2, ())) >= 210


async def test_what_kafka_believes_was_consumed_is_not_believed(
    options: LogConsumerOptions, owner: Any, pool: Any
) -> None:
    await produce(options.bootstrap_servers, options.topic, run_of(0, 1, 80))
    believer: Any = AIOKafkaConsumer(
        bootstrap_servers=options.bootstrap_servers, group_id=options.group, enable_auto_commit=False
    )
    await believer.start()
    try:
        partition = TopicPartition(options.topic, 0)
        believer.assign([partition])
        await believer.commit({partition: 80})
    finally:
        await believer.stop()
    async with consuming(options, SeenRecords(pool), pool):
        await until_seen(owner, {0: 80})


async def test_runs_that_were_sent_again_are_skipped(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    messages = [*run_of(0, 1, 50), *run_of(0, 31, 60), *run_of(0, 55, 58), *run_of(0, 61, 70), *run_of(0, 1, 70)]
    await produce(options.bootstrap_servers, options.topic, [*messages, *run_of(0, 71, 75)])
    async with consuming(options, SeenRecords(pool), pool):
        await until_seen(owner, {0: 75})
    assert await seen(owner, 0) == list(range(1, 76))
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_missing_record_halts_its_shard_alone(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    await produce(options.bootstrap_servers, options.topic, [*run_of(0, 1, 50), *run_of(0, 52, 90)])
    handler = SeenRecords(pool)
    async with consuming(options, handler, pool) as consumer:
        row = await until_halted(owner, 0)
        assert (row["position"], row["reason"]) == (51, "position 51 is missing in the topic")
        await produce(options.bootstrap_servers, options.topic, [*run_of(1, 1, 30), *run_of(0, 91, 95)])
        await until_seen(owner, {0: 50, 1: 30})
        assert consumer.health().halted == [0]
        assert consumer.health().ready, "the other shards are served"
    # It was read a second time before it was given up.
    assert sum(52 in batch.get(0, ()) for batch in handler.batches) >= 2
    # Neither a restart nor an assignment lets it go on.
    later = SeenRecords(pool)
    async with consuming(options, later, pool) as consumer:
        await produce(options.bootstrap_servers, options.topic, run_of(1, 31, 40))
        await until_seen(owner, {0: 50, 1: 40})
        assert consumer.health().halted == [0]
    assert {shard for batch in later.batches for shard in batch} == {1}


async def test_a_poisonous_record_halts_its_shard_until_it_is_redriven(
    options: LogConsumerOptions, owner: Any, pool: Any
) -> None:
    await owner.execute("INSERT INTO poison VALUES (1, 30)")
    for shard in (0, 1):
        await produce(options.bootstrap_servers, options.topic, run_of(shard, 1, 60))
    async with consuming(options, SeenRecords(pool), pool) as consumer:
        row = await until_halted(owner, 1)
        assert (row["position"], row["reason"]) == (30, "ValueError: position 30 is poison")
        await until_seen(owner, {0: 60, 1: 29})
        await produce(options.bootstrap_servers, options.topic, [*run_of(1, 61, 70), *run_of(0, 61, 70)])
        await until_seen(owner, {0: 70, 1: 29})
        # Redriven too early, it halts again at the same place.
        await owner.execute("DELETE FROM halted_shards")
        assert (await until_halted(owner, 1))["position"] == 30
        await owner.execute("DELETE FROM poison")
        await owner.execute("DELETE FROM halted_shards")
        await until_seen(owner, {0: 70, 1: 70})
        assert consumer.health().halted == []
        await produce(options.bootstrap_servers, options.topic, run_of(1, 71, 80))
        await until_seen(owner, {1: 80})


async def test_a_shard_that_is_read_too_far_ahead_goes_back(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    await produce(options.bootstrap_servers, options.topic, run_of(0, 1, 100))
    async with consuming(options, SeenRecords(pool), pool) as consumer:
        await until_seen(owner, {0: 100})
        assert consumer._app is not None
        consumer._app.read_again(0, Placement(140, halted=False))
        await asyncio.sleep(1.5)
        await produce(options.bootstrap_servers, options.topic, run_of(0, 101, 160))
        await until_seen(owner, {0: 160})
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_topic_that_was_made_anew_is_read_on(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    # Duplicates have moved the offsets ahead of the positions, so that the new topic is behind both.
    messages = [*run_of(0, 1, 40), *run_of(0, 1, 60)]
    await produce(options.bootstrap_servers, options.topic, messages)
    async with consuming(options, SeenRecords(pool), pool):
        await until_seen(owner, {0: 60})
        await drop_topic(options.bootstrap_servers, options.topic)
        await make_topic(options.bootstrap_servers, options.topic)
        await produce(options.bootstrap_servers, options.topic, run_of(0, 1, 65))
        await until_seen(owner, {0: 65}, within_s=30)
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_database_that_goes_away_is_waited_for(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    async with consuming(options, SeenRecords(pool, pause_s=0.2), pool):
        for first in range(1, 100, 20):
            await produce(options.bootstrap_servers, options.topic, run_of(0, first, first + 19))
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await until_seen(owner, {0: 100})
    assert await owner.fetchval("SELECT count(*) FROM halted_shards") == 0


async def test_a_batch_in_hand_is_finished_before_the_end(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    await produce(options.bootstrap_servers, options.topic, run_of(0, 1, 20))
    handler = SeenRecords(pool, pause_s=1.5)
    async with consuming(options, handler, pool), asyncio.timeout(60):
        while not handler.batches:  # noqa: ASYNC110 - a plain list of what was done tells more than an event
            await asyncio.sleep(0.02)
    applied = await seen(owner, 0)
    assert applied == handler.batches[0][0]
    assert applied


async def test_a_shard_that_does_not_move_ends_the_process(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    await produce(options.bootstrap_servers, options.topic, run_of(0, 1, 20))
    impatient = msgspec.structs.replace(options, stalled_after_s=1.0, finish_within_s=0.1)
    consumer = LogConsumer(impatient, SeenRecords(pool, pause_s=3600), halted_shards(pool))
    with pytest.raises(Stalled, match="shard 0 has 20 messages waiting"):
        await asyncio.wait_for(consumer.run(asyncio.Event()), 30)
