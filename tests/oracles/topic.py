"""The topic oracle: does the topic cover the store, in order, shard by shard, byte for byte?

A duplicate is allowed where a whole run is sent again; a position that was never sent is not, nor one before its turn.
"""

from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.kafka_record import headers_of, key_of
from schemas.records import Record

LONGEST_SILENCE_S = 10.0


async def faults_of_topic(dsn: str, bootstrap_servers: str, topic: str) -> list[str]:
    """Everything that is wrong with the topic as a copy of the store; empty when it is whole."""
    store = await stored_records(dsn)
    messages = await messages_of(bootstrap_servers, topic, sorted(store))
    return [fault for shard in sorted(store) for fault in faults_of_shard(shard, store[shard], messages[shard])]


def faults_of_shard(shard: int, records: list[Record], messages: list[Any]) -> list[str]:
    """What is wrong with one partition, given the shard's records in order."""
    faults = []
    highest = 0
    for message in messages:
        headers = dict(message.headers)
        position = int(headers["position"])
        where = f"shard {shard}, offset {message.offset}, position {position}"
        if position > highest + 1:
            faults.append(f"{where}: comes after {highest}, so a record was skipped")
        highest = max(highest, position)
        if message.offset < position - 1:
            faults.append(f"{where}: stands too low for all before it to be there")
        if position > len(records):
            faults.append(f"{where}: the store has no such record")
            continue
        record = records[position - 1]
        expected = (key_of(record), record.payload, headers_of(record), record.recorded_at)
        if (message.key, message.value, list(message.headers), message.timestamp) != expected:
            faults.append(f"{where}: is not what the store holds there")
    if highest < len(records):
        faults.append(f"shard {shard}: ends with {highest}, the store with {len(records)}")
    return faults


async def stored_records(dsn: str) -> dict[int, list[Record]]:
    """Every record of the store by shard, in order; a shard without records has an empty list."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        heads = await connection.fetch("SELECT shard FROM heads")
        rows = await connection.fetch("SELECT * FROM events ORDER BY shard, position")
    finally:
        await connection.close()
    records: dict[int, list[Record]] = {row["shard"]: [] for row in heads}
    for row in rows:
        records[row["shard"]].append(Record(**{**row, "stream_id": UUID(int=row["stream_id"].int)}))
    return records


async def messages_of(bootstrap_servers: str, topic: str, shards: list[int]) -> dict[int, list[Any]]:
    """Every message of each partition, in order, up to where it ends now."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, shard) for shard in shards]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: dict[int, list[Any]] = {shard: [] for shard in shards}
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            batch = await consumer.getmany(timeout_ms=int(LONGEST_SILENCE_S * 1000))
            assert batch, "the topic's end was not reached"
            for partition, messages in batch.items():
                found[partition.partition] += messages
        return found
    finally:
        await consumer.stop()
