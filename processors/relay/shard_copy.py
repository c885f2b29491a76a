"""Copying one shard: read behind the last acknowledged position, send, wait for the acknowledgement, go on.

One batch of a shard is under way at a time while the next is being read: with two, the second could be written after
the first was given up, which would be a gap. Shards run beside each other, so requests to the broker carry many.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final, Protocol
from uuid import UUID

from aiokafka.errors import KafkaError
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter, Histogram

from event_store.tracing import TRACING
from processors.relay.checkpoints import Acknowledged, Lead
from processors.relay.store_reader import StoreReader
from processors.relay.topic_tail import Continuation, Found, TopicTail, continuation
from schemas.envelope import decode_envelope
from schemas.kafka_record import headers_of, key_of
from schemas.records import Record

_log = logging.getLogger(__name__)

RECORDS_SENT: Final = Counter("guilder_relay_records_sent", "Records that Kafka has acknowledged.")
BATCH_RECORDS: Final = Histogram(
    "guilder_relay_batch_records",
    "Records sent to Kafka in one batch of one shard.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
SEND_SECONDS: Final = Histogram(
    "guilder_relay_send_seconds",
    "From handing a batch to Kafka's client until Kafka acknowledged it.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
ALARMS: Final = Counter("guilder_relay_alarms", "Times that the copy in Kafka was found damaged.")


class DeliveryFailed(Exception):
    """Kafka did not acknowledge a batch in time, or refused it. Only a new producer can tell what was written."""


class StoreLostData(Exception):
    """The topic holds a record that the store does not: the store was set back. Copying on would fork history."""


class Store(Protocol):
    """What the copy asks the store about single records."""

    async def event_id_at(self, shard: int, position: int) -> UUID | None: ...


class ShardCopy:
    """The copy of one shard that this process leads. `head` is how far the store is known to have got."""

    def __init__(
        self,
        lead: Lead,
        topic: str,
        *,
        store: Store,
        reader: StoreReader,
        tail: TopicTail,
        producer: Any,
        deliver_within_s: float,
    ) -> None:
        self.lead = lead
        self.head = 0
        self.position = 0
        self.acknowledged: Acknowledged | None = lead.checkpoint
        self.alarm: str | None = None
        self._topic = topic
        self._store = store
        self._reader = reader
        self._tail = tail
        self._producer = producer
        self._deliver_within_s = deliver_within_s
        self._next_offset = 0
        self._unsent: deque[Record] = deque()
        self._news = asyncio.Event()

    @property
    def shard(self) -> int:
        return self.lead.shard

    def on_head(self, position: int) -> None:
        """The store has got as far as `position`."""
        if position > self.head:
            self.head = position
            self._news.set()

    def nudge(self) -> None:
        """Look again whether there is anything to do, or whether to stop."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Copy until `stop`; a batch that is under way is waited for.

        Raises:
            DeliveryFailed: the process has to be started anew.
            StoreLostData: nothing may be copied before a person has looked.
        """
        await self._find_place()
        while not stop.is_set():
            if self._unsent:
                await self._send_batch()
            elif self.head > self.position:
                self._unsent.extend(await self._reader.read(self.shard, self.position))
            else:
                self._news.clear()
                await self._news.wait()

    async def _find_place(self) -> None:
        place = await self._continuation()
        if place.found is Found.HAS_A_GAP:
            self._raise_alarm(place.found)
            await self._tail.cut_off(self.shard, place.next_offset)
        elif place.found is Found.KAFKA_LOST_DATA:
            self._raise_alarm(place.found)
        # The checkpoint moves to what the topic was found to hold, also where nothing is left to be sent.
        self.acknowledged = place.last
        self.position = place.after
        self._next_offset = place.next_offset
        self._unsent.clear()
        _log.info("shard %s is copied from position %s on", self.shard, self.position + 1)

    async def _continuation(self) -> Continuation:
        try:
            ends = await self._tail.look(self.shard, self.acknowledged)
        except (KafkaError, TimeoutError) as error:
            raise DeliveryFailed(f"the end of partition {self.shard} could not be read: {error!r}") from error
        if ends.tail is not None:
            stored = await self._store.event_id_at(self.shard, ends.tail.position)
            if stored != ends.tail.event_id:
                raise StoreLostData(
                    f"shard {self.shard}: the topic ends with position {ends.tail.position}, event {ends.tail.event_id}, "
                    f"and the store has {stored or 'nothing'} there"
                )
        return continuation(self.acknowledged, ends)

    async def _send_batch(self) -> None:
        """Send what fits into one batch and, while it is on its way, read what follows."""
        batch = self._producer.create_batch()
        records: list[Record] = []
        while self._unsent and _add(batch, self._unsent[0]):
            records.append(self._unsent.popleft())
        batch.close()
        ahead: asyncio.Task[list[Record]] | None = None
        if not self._unsent and self.head > records[-1].position:
            ahead = asyncio.create_task(self._reader.read(self.shard, records[-1].position))
        try:
            spans = _begin_spans(records) if TRACING.on else ()
            began_s = perf_counter()
            offset = await self._deliver(batch)
            SEND_SECONDS.observe(perf_counter() - began_s)
            for span in spans:
                span.end()
            if offset == self._next_offset:
                self._acknowledge(records, offset)
                if ahead is not None:
                    self._unsent.extend(await ahead)
            else:
                # Somebody else has written between, or the broker no longer knows where this batch went.
                _log.warning(
                    "shard %s: acknowledged at offset %s, not %s; the tail is read again",
                    self.shard,
                    offset,
                    self._next_offset,
                )
                await self._find_place()
        finally:
            if ahead is not None:
                ahead.cancel()

    async def _deliver(self, batch: Any) -> int:
        # The producer itself would try for ever: whether a batch was written is only known with its answer.
        try:
            async with asyncio.timeout(self._deliver_within_s):
                delivery = await self._producer.send_batch(batch, self._topic, partition=self.shard)
                metadata = await delivery
        except (KafkaError, TimeoutError, AssertionError) as error:
            raise DeliveryFailed(f"shard {self.shard}: a batch was not acknowledged: {error!r}") from error
        offset: int = metadata.offset
        return offset

    def _acknowledge(self, records: list[Record], first_offset: int) -> None:
        last = records[-1]
        self.position = last.position
        self._next_offset = first_offset + len(records)
        self.acknowledged = Acknowledged(position=last.position, offset=self._next_offset - 1, event_id=last.event_id)
        RECORDS_SENT.inc(len(records))
        BATCH_RECORDS.observe(len(records))

    def _raise_alarm(self, found: Found) -> None:
        self.alarm = found.value
        ALARMS.inc()
        _log.error("ALARM shard %s: %s", self.shard, found.value)


def _add(batch: Any, record: Record) -> bool:
    added = batch.append(
        timestamp=record.recorded_at, key=key_of(record), value=record.payload, headers=headers_of(record)
    )
    return added is not None


def _begin_spans(records: Sequence[Record]) -> list[Span]:
    """A span for each record whose trace is kept; one that Kafka does not acknowledge is never ended, so not told."""
    begun = []
    for record in records:
        envelope = decode_envelope(record.metadata)
        span = TRACING.begin(f"relay {record.type}", envelope.traceparent, {}, SpanKind.PRODUCER)
        if span is not None:
            span.set_attributes(envelope.named_ids(record.stream_id))
            span.set_attributes({"shard": record.shard, "position": record.position, "version": record.version})
            begun.append(span)
    return begun
