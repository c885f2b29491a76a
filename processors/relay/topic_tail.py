"""Where the topic ends, and from where it may be continued without leaving a gap.

The topic's invariant: every producer's run is contiguous and starts at most one past the highest position the partition
holds. So position p never stands below offset p - 1, whatever the tail's record is, everything up to its position is
there, and continuing one past it is always right; at worst some records are sent twice, as a whole run.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from processors.relay.checkpoints import Acknowledged

FETCH_MAX_WAIT_MS: Final = 100


class Found(Enum):
    """What a look at a partition says about the copy in Kafka."""

    INTACT = "the topic holds what the checkpoint says it acknowledged"
    KAFKA_LOST_DATA = "another record, or none, stands where the checkpoint's record was acknowledged"
    HAS_A_GAP = "a record stands at a lower offset than is possible if all before it are there"


class Continuation(msgspec.Struct, frozen=True, kw_only=True):
    """Send what follows `last`, or everything; the next acknowledged offset is to be `next_offset`."""

    last: Acknowledged | None
    next_offset: int
    found: Found

    @property
    def after(self) -> int:
        """The position to go on behind."""
        return self.last.position if self.last else 0


class PartitionEnds(msgspec.Struct, frozen=True, kw_only=True):
    """A partition as it is now: the offset its next record will get, its last record, the one at the checkpoint."""

    next_offset: int
    tail: Acknowledged | None
    at_checkpoint: Acknowledged | None


def continuation(checkpoint: Acknowledged | None, ends: PartitionEnds) -> Continuation:
    """From where the copy goes on, given what was acknowledged and what the partition holds."""
    tail, next_offset = ends.tail, ends.next_offset
    if tail and tail.offset < tail.position - 1:
        return Continuation(last=None, next_offset=next_offset, found=Found.HAS_A_GAP)
    if checkpoint is None:
        return Continuation(last=tail, next_offset=next_offset, found=Found.INTACT)
    if ends.at_checkpoint != checkpoint:
        return Continuation(last=tail, next_offset=next_offset, found=Found.KAFKA_LOST_DATA)
    # The tail may be an old run that a dying relay sent again; the checkpoint's record is there all the same.
    last = tail if tail and tail.position > checkpoint.position else checkpoint
    return Continuation(last=last, next_offset=next_offset, found=Found.INTACT)


class TopicTail:
    """Looks at the ends of partitions, one at a time, with a consumer of its own that belongs to no group."""

    def __init__(self, bootstrap_servers: str, topic: str, *, timeout_s: float) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._timeout_s = timeout_s
        self._consumer: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def close(self) -> None:
        """Leave the broker."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await consumer.stop()

    async def look(self, shard: int, checkpoint: Acknowledged | None) -> PartitionEnds:
        """The ends of partition `shard`, and what stands at the checkpoint's offset.

        Raises:
            TimeoutError: the broker did not answer in time.
            KafkaError: it answered with an error.
        """
        async with self._one_at_a_time, asyncio.timeout(self._timeout_s):
            consumer = await self._started()
            partition = TopicPartition(self._topic, shard)
            consumer.assign([partition])
            try:
                begin = (await consumer.beginning_offsets([partition]))[partition]
                end = (await consumer.end_offsets([partition]))[partition]
                at_checkpoint = tail = None
                if checkpoint and begin <= checkpoint.offset < end:
                    at_checkpoint = await _record_at(consumer, partition, checkpoint.offset)
                if begin < end:
                    tail = await _record_at(consumer, partition, end - 1)
            finally:
                # An assigned partition is fetched in the background, for nobody.
                consumer.unsubscribe()
        return PartitionEnds(next_offset=end, tail=tail, at_checkpoint=at_checkpoint)

    async def cut_off(self, shard: int, before: int) -> None:
        """Throw away what partition `shard` holds below offset `before`, so that a copy with a gap can be made anew.

        Readers that stood below find their place at the new beginning and skip what they have.
        """
        partition = TopicPartition(self._topic, shard)
        admin: Any = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        try:
            await admin.start()
            await admin.delete_records({partition: RecordsToDelete(before_offset=before)})
        finally:
            await admin.close()

    async def _started(self) -> Any:
        if self._consumer is None:
            consumer: Any = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap_servers,
                group_id=None,
                enable_auto_commit=False,
                fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
                request_timeout_ms=int(self._timeout_s * 1000),
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


async def _record_at(consumer: Any, partition: Any, offset: int) -> Acknowledged | None:
    consumer.seek(partition, offset)
    message = await consumer.getone(partition)
    if message.offset != offset:
        return None
    return acknowledged(offset, message.headers)


def acknowledged(offset: int, headers: Iterable[tuple[str, bytes]]) -> Acknowledged | None:
    """Which record a message is by its headers; None for one that no relay has written."""
    named = dict(headers)
    try:
        return Acknowledged(position=int(named["position"]), offset=offset, event_id=UUID(named["event-id"].decode()))
    except (KeyError, ValueError):
        return None
