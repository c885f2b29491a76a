"""Where a rebuild reads the log: PostgreSQL itself, or the topic that is its copy."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from processors.topics import REQUEST_TIMEOUT_MS
from schemas.kafka_record import TOPIC, record_of
from schemas.records import Record

_EVENTS: Final = """
    SELECT shard, position, stream_id, version, event_id, type, payload, metadata, command_key, request_hash,
        record_hash, recorded_at
    FROM events WHERE shard = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4
"""
_POLL_MS: Final = 500


class LogSource(Protocol):
    """The log of every shard, from its first record."""

    async def read(self, shard: int, after: int, until: int, limit: int) -> Sequence[Record]:
        """Up to `limit` records of one shard, by ascending position, past `after` and up to `until`.

        None when the source has none of them, or not yet.
        """
        ...


class PostgresLog:
    """The log where it was written. `pool` is an asyncpg pool that may read `events`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def read(self, shard: int, after: int, until: int, limit: int) -> Sequence[Record]:
        """See `LogSource`."""
        rows = await self._pool.fetch(_EVENTS, shard, after, until, limit)
        return [Record(**row) for row in rows]


class KafkaLog:
    """The log as the topic has it, duplicates dropped. No consumer group: nobody else's offsets are touched."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._next: dict[int, int] = {}  # shard → the position whose record the next fetch is to bring

    @classmethod
    @asynccontextmanager
    async def open(cls, bootstrap_servers: str, shards: int, topic: str = TOPIC) -> "AsyncIterator[KafkaLog]":
        """Read the partitions that are the shards 0 … `shards` − 1."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            await consumer.start()
            consumer.assign([TopicPartition(topic, shard) for shard in range(shards)])
            yield cls(consumer, topic)
        finally:
            await consumer.stop()

    async def read(self, shard: int, after: int, until: int, limit: int) -> Sequence[Record]:
        """See `LogSource`. The offset of a position is never below it less one, so that is where a look begins."""
        partition = TopicPartition(self._topic, shard)
        if self._next.get(shard) != after + 1:
            self._consumer.seek(partition, after)
        fetched = await self._consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=limit)
        records = []
        position = after
        for message in fetched.get(partition, ()):
            record = record_of(shard, message.key, message.value, message.headers)
            # A repeated run lies behind newer records: only what is new goes on. A gap shows when it is applied.
            if record.position > position and record.position <= until:
                records.append(record)
                position = record.position
        # What lay past `until` was fetched and dropped: the next look has to begin anew.
        self._next[shard] = position + 1 if position < until else 0
        return records
