"""The relay on a real PostgreSQL and a real Kafka: in order, whole, and right again after every kind of damage."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from event_store import WrongNumberOfShards
from processors.relay import Relay, RelayOptions, shard_copy
from processors.relay.checkpoints import LeadershipLost
from processors.relay.shard_copy import StoreLostData
from processors.relay.store_reader import StoreGap
from processors.topics import TopicMismatch, TopicOptions, ensure_topic
from schemas.records import Record
from tests.oracles.topic import faults_of_topic, messages_of, stored_records
from tests.processors.log_writer import append, make_record, set_back
from tests.processors.relay.conftest import drained, running, until
from tests.processors.topic_writer import drop_topic, make_topic, produce

CUT_RELAYS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'guilder-relay' AND datname = current_database()"


async def test_the_producer_is_idempotent_and_waits_for_all_replicas(options: RelayOptions) -> None:
    # Kafka gives a client no way to ask what its producer was told to be.
    producer = await Relay(options)._start_producer()
    try:
        assert producer._txn_manager.has_pid()
        assert producer._sender._acks == -1
    finally:
        await producer.stop()


async def faults(options: RelayOptions) -> list[str]:
    return await faults_of_topic(options.dsn, options.bootstrap_servers, options.topic.name)


async def messages(options: RelayOptions, shard: int) -> list[Any]:
    return (await messages_of(options.bootstrap_servers, options.topic.name, [shard]))[shard]


async def execute(dsn: str, statement: str, *arguments: object) -> None:
    connection: Any = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def checkpoint_of(options: RelayOptions, shard: int) -> int:
    connection: Any = await asyncpg.connect(options.dsn)
    try:
        position: int = await connection.fetchval("SELECT position FROM relay_checkpoints WHERE shard = $1", shard)
    finally:
        await connection.close()
    return position


async def copied(options: RelayOptions, **counts: int) -> None:
    """Append to shards (`s0=10`) and have a relay copy it all, then end."""
    for name, count in counts.items():
        await append(options.dsn, int(name[1:]), count)
    relay = Relay(options)
    async with running(relay):
        await drained(relay, options.dsn)


async def test_the_topic_covers_the_store_in_order(options: RelayOptions) -> None:
    for shard in range(3):
        await append(options.dsn, shard, 1200)
    relay = Relay(options)
    async with running(relay):
        await drained(relay, options.dsn)
        await append(options.dsn, 3, 40)
        await append(options.dsn, 0, 1)
        await drained(relay, options.dsn)
        health = relay.health()
        assert (health.ready, health.leads, health.alarms) == (True, [0, 1, 2, 3], {})
        assert health.lag == dict.fromkeys(range(4), 0)
    assert await faults(options) == []
    assert not relay.health().ready


async def test_a_second_run_sends_nothing_again(options: RelayOptions) -> None:
    await copied(options, s0=30)
    await copied(options, s0=5)
    assert [message.offset for message in await messages(options, 0)] == list(range(35))


@pytest.mark.parametrize("checkpoint", ["behind", "none"])
async def test_a_checkpoint_that_is_behind_is_made_good_by_the_tail(options: RelayOptions, checkpoint: str) -> None:
    await copied(options, s0=50)
    if checkpoint == "none":
        await execute(options.dsn, "DELETE FROM relay_checkpoints")
    else:
        await execute(
            options.dsn,
            "UPDATE relay_checkpoints SET position = 10, kafka_offset = 9, event_id = $1 WHERE shard = 0",
            make_record(0, 10).event_id,
        )
    # It is made good even where nothing is left to be sent.
    await copied(options, s1=1)
    assert await checkpoint_of(options, 0) == 50
    await copied(options, s0=5)
    assert len(await messages(options, 0)) == 55
    assert await faults(options) == []


async def test_a_topic_that_was_made_anew_is_filled_again_with_an_alarm(options: RelayOptions) -> None:
    await copied(options, s0=40, s1=3)
    await drop_topic(options.bootstrap_servers, options.topic.name)
    relay = Relay(options)
    async with running(relay):
        await append(options.dsn, 0, 2)
        await drained(relay, options.dsn)
        assert sorted(relay.health().alarms) == [0, 1]
    assert await faults(options) == []


async def test_a_topic_that_has_lost_its_end_goes_on_behind_what_is_left(options: RelayOptions) -> None:
    await copied(options, s0=40)
    await drop_topic(options.bootstrap_servers, options.topic.name)
    await make_topic(options.bootstrap_servers, options.topic.name)
    left = [make_record(0, position) for position in range(1, 31)]
    await produce(options.bootstrap_servers, options.topic.name, left)
    relay = Relay(options)
    async with running(relay):
        await drained(relay, options.dsn)
        assert sorted(relay.health().alarms) == [0]
    assert len(await messages(options, 0)) == 40
    assert await faults(options) == []


async def test_a_topic_that_is_made_anew_under_a_running_relay_is_whole_in_the_end(options: RelayOptions) -> None:
    await append(options.dsn, 0, 40)
    first = Relay(options)
    async with running(first):
        await drained(first, options.dsn)
        await drop_topic(options.bootstrap_servers, options.topic.name)
        await ensure_topic(options.bootstrap_servers, options.topic)
        await append(options.dsn, 0, 10)
        await drained(first, options.dsn)
        assert sorted(first.health().alarms) == [0]
    assert await faults(options) == []


async def test_a_store_behind_the_topic_stops_the_copy(options: RelayOptions) -> None:
    await copied(options, s0=20)
    await set_back(options.dsn, 0, 15)
    with pytest.raises(StoreLostData, match="ends with position 20"):
        await asyncio.wait_for(Relay(options).run(asyncio.Event()), 20)


async def test_a_store_with_another_history_stops_the_copy(options: RelayOptions) -> None:
    await copied(options, s0=20)
    await set_back(options.dsn, 0, 15)
    await append(options.dsn, 0, 10, salt=1)
    with pytest.raises(StoreLostData, match="ends with position 20"):
        await asyncio.wait_for(Relay(options).run(asyncio.Event()), 20)
    assert len(await messages(options, 0)) == 20


async def test_a_store_with_a_hole_stops_the_copy_before_it(options: RelayOptions) -> None:
    await append(options.dsn, 0, 10)
    await set_back(options.dsn, 0, 5)
    await execute(options.dsn, "UPDATE heads SET position = 6 WHERE shard = 0")
    await append(options.dsn, 0, 4)
    with pytest.raises(StoreGap, match="shard 0 has position 7 where 6 belongs"):
        await asyncio.wait_for(Relay(options).run(asyncio.Event()), 20)


async def test_of_two_relays_one_leads_and_the_other_takes_over(options: RelayOptions) -> None:
    first, second = Relay(options), Relay(options)
    async with running(second) as standby:
        async with running(first):
            await append(options.dsn, 0, 100)
            await append(options.dsn, 1, 100)
            await until_led(first, second)
            both = first.health().leads + second.health().leads
            assert sorted(both) == [0, 1, 2, 3], "each shard is led once"
        await append(options.dsn, 0, 20)
        await drained(second, options.dsn)
        assert second.health().leads == [0, 1, 2, 3]
        assert not standby.done()
    assert len(await messages(options, 0)) == 120
    assert await faults(options) == []


async def until_led(*relays: Relay) -> None:
    async def all_led() -> bool:
        return sum(len(relay.health().leads) for relay in relays) == 4

    await until(all_led)


async def test_a_relay_that_loses_its_locks_ends(options: RelayOptions) -> None:
    relay = Relay(options)
    async with running(relay) as task:
        await until_led(relay)
        await execute(options.dsn, CUT_RELAYS)
        await asyncio.wait([task], timeout=10)
        assert task.done()
        assert isinstance(task.exception(), LeadershipLost | asyncpg.PostgresError | asyncpg.InterfaceError | OSError)
    await copied(options, s2=7)
    assert await faults(options) == []


async def test_locks_are_taken_past_the_pooler(options: RelayOptions) -> None:
    pooled = msgspec.structs.replace(options, dsn="postgresql://pooler@127.0.0.1:1/pooled", direct_dsn=options.dsn)
    checkpoints = await Relay(pooled)._open_checkpoints()
    assert [lead.shard for lead in await checkpoints.take([0])] == [0]
    await checkpoints.close()


async def test_a_relay_that_was_fenced_may_not_move_the_checkpoint(options: RelayOptions) -> None:
    relay = Relay(options)
    async with running(relay) as task:
        await until_led(relay)
        await execute(options.dsn, "UPDATE relay_checkpoints SET epoch = epoch + 1 WHERE shard = 2")
        await append(options.dsn, 2, 5)
        await asyncio.wait([task], timeout=10)
        assert isinstance(task.exception(), LeadershipLost)
    assert await checkpoint_of(options, 2) == 0


async def test_a_topic_with_another_number_of_partitions_is_refused(options: RelayOptions) -> None:
    await ensure_topic(options.bootstrap_servers, TopicOptions(name=options.topic.name, partitions=3))
    with pytest.raises(TopicMismatch, match="3 partitions and this installation 4 shards"):
        await asyncio.wait_for(Relay(options).run(asyncio.Event()), 20)


async def test_the_oracle_sees_a_relay_that_skips_one_record(
    options: RelayOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shard_copy._add

    def skipping(batch: Any, record: Record) -> bool:
        return (record.shard, record.position) == (0, 7) or whole(batch, record)

    monkeypatch.setattr(shard_copy, "_add", skipping)
    await copied(options, s0=20, s1=20)
    found = await faults(options)
    assert any("shard 0" in fault and "a record was skipped" in fault for fault in found)
    assert not any("shard 1" in fault for fault in found)


async def test_the_oracle_sees_a_topic_that_ends_too_early_or_says_something_else(options: RelayOptions) -> None:
    await copied(options, s0=20, s1=20, s2=20)
    await append(options.dsn, 0, 1)
    await produce(options.bootstrap_servers, options.topic.name, [make_record(1, 20, salt=1), make_record(2, 20)])
    found = await faults(options)
    assert found == [
        "shard 0: ends with 20, the store with 21",
        "shard 1, offset 20, position 20: is not what the store holds there",
    ]
    assert len((await stored_records(options.dsn))[0]) == 21


async def test_one_that_is_configured_with_other_shards_makes_no_topic(options: RelayOptions) -> None:
    topic = TopicOptions(name=options.topic.name, partitions=options.topic.partitions * 2)
    with pytest.raises(WrongNumberOfShards):
        await Relay(msgspec.structs.replace(options, topic=topic)).run(asyncio.Event())
    await ensure_topic(options.bootstrap_servers, options.topic)
