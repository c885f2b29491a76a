"""Writes records into the topic as the relay would, or as it never should."""

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from processors.topics import TopicOptions, ensure_topic
from schemas.kafka_record import headers_of, key_of
from schemas.records import Record
from tests.conftest import TEST_SHARDS


async def make_topic(bootstrap_servers: str, topic: str) -> None:
    await ensure_topic(bootstrap_servers, TopicOptions(name=topic, partitions=TEST_SHARDS))


async def drop_topic(bootstrap_servers: str, topic: str) -> None:
    """Delete the topic and wait until nobody sees it any more."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            pass
    finally:
        await admin.close()


async def produce(bootstrap_servers: str, topic: str, records: Iterable[Record]) -> None:
    """Send the records in the order given, each to the partition that is its shard."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
    await producer.start()
    try:
        for record in records:
            await producer.send(
                topic,
                partition=record.shard,
                key=key_of(record),
                value=record.payload,
                headers=headers_of(record),
                timestamp_ms=record.recorded_at,
            )
        await producer.flush()
    finally:
        await producer.stop()
