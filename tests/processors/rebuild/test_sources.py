"""The log read from the topic is the log read from PostgreSQL, duplicates or not."""

import asyncio
import socket
from uuid import UUID

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from processors.rebuild import KafkaLog, PostgresLog, Rebuild, sources
from processors.rebuild import rebuild as rebuild_module
from projections.checkpoints import PositionGap
from projections.ledger import Ledger
from schemas.records import Record
from tests.conftest import TEST_SHARDS
from tests.processors.rebuild.conftest import Log
from tests.processors.topic_writer import make_topic, produce
from tests.projections.history import chained_record


def records_of(log: Log, shard: int) -> list[Record]:
    hashes: dict[UUID, bytes] = {}
    return [chained_record(recorded, hashes) for recorded in log.histories[shard].recorded]


async def test_postgres_gives_every_record_once_in_order(log: Log) -> None:
    source = PostgresLog(log.pool)
    whole = records_of(log, 1)
    assert await source.read(1, 0, len(whole), 1000) == whole
    assert await source.read(1, 10, 20, 1000) == whole[10:20]
    assert await source.read(1, 10, 20, 3) == whole[10:13]
    assert await source.read(1, len(whole), 1000, 10) == []
    assert await source.read(0, 0, 1000, 10) == []


async def test_kafka_gives_every_record_once_in_order(log: Log, kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = topic_prefix + "events"
    await make_topic(kafka_bootstrap, topic)
    whole = records_of(log, 1)
    # A relay that died and went on from its checkpoint repeats runs, even behind newer records.
    await produce(kafka_bootstrap, topic, [*whole[:30], *whole[20:50], *whole[:10], *whole[40:]])
    async with KafkaLog.open(kafka_bootstrap, TEST_SHARDS, topic) as source:
        for step in (7, 1000):
            seen: list[Record] = []
            while len(seen) < len(whole):
                until = min(len(seen) + 25, len(whole))
                seen += await source.read(1, len(seen), until, step)
            assert seen == whole
        assert await source.read(1, len(whole), len(whole) + 5, 10) == []
        assert await source.read(0, 0, 5, 10) == []


async def test_a_ledger_rebuilt_from_kafka_is_the_live_one(log: Log, kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = topic_prefix + "events"
    await make_topic(kafka_bootstrap, topic)
    for shard in log.histories:
        whole = records_of(log, shard)
        await produce(kafka_bootstrap, topic, [*whole[:20], *whole[10:]])
    async with KafkaLog.open(kafka_bootstrap, TEST_SHARDS, topic) as source:
        report = await Rebuild(log.pool, Ledger(), source, shards=TEST_SHARDS, batch_events=16).run()
    assert report.equal
    assert report.events == sum(len(history.recorded) for history in log.histories.values())
    from_postgres = await Rebuild(log.pool, Ledger(), PostgresLog(log.pool), shards=TEST_SHARDS).run()
    assert from_postgres.digests == report.digests


async def test_a_topic_that_lost_a_record_rebuilds_nothing(
    log: Log, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_module, "STALLED_AFTER_S", 1.0)
    topic = topic_prefix + "events"
    await make_topic(kafka_bootstrap, topic)
    for shard in log.histories:
        whole = records_of(log, shard)
        await produce(kafka_bootstrap, topic, [record for record in whole if record.position != 30])
    async with KafkaLog.open(kafka_bootstrap, TEST_SHARDS, topic) as source:
        with pytest.raises(PositionGap) as caught:
            await Rebuild(log.pool, Ledger(), source, shards=TEST_SHARDS, batch_events=16).run()
    assert (caught.value.expected, caught.value.got) == (30, 31)
    assert await log.live() == 1


async def test_a_rebuild_may_read_the_log_and_not_write_it(log: Log) -> None:
    for statement in ("UPDATE heads SET position = 0", "INSERT INTO events SELECT * FROM events", "DELETE FROM events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await log.pool.execute(statement)


async def test_a_kafka_that_answers_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "REQUEST_TIMEOUT_MS", 300)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(KafkaConnectionError):
            async with asyncio.timeout(5), KafkaLog.open(servers, 1):
                pass
