"""Keeps the read models current: the live generation of every projection, all shards that are due in one transaction."""

from collections.abc import Mapping, Sequence
from itertools import chain
from time import perf_counter
from typing import Any, Final

import asyncpg
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Histogram

from event_store.tracing import TRACING
from processors.log_consumer.checkpoint_locks import CHECKPOINT_LOCKS
from processors.log_consumer.handler import PositionGap
from processors.projector.payment_figures import count
from projections import checkpoints
from projections.pooled_connections import leave_as_it_is
from projections.projection import Projection
from schemas.records import Record, RecordedEvent

NAME: Final = "projector"
POOL_SIZE: Final = 5
STATEMENT_TIMEOUT_S: Final = 20.0

POST_SECONDS: Final = Histogram(
    "ledger_post_duration_seconds",
    "How long the transaction took that posts a batch of events, its commit included.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)


async def open_pool(dsn: str) -> Any:
    """Connections for the projector, as the role that owns the read models.

    A commit does not wait for the disk: rows and checkpoint go together, so what a crash of PostgreSQL takes back is
    read again from the topic, and the log itself is never written from here.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=POOL_SIZE,
        command_timeout=STATEMENT_TIMEOUT_S,
        reset=leave_as_it_is,
        server_settings={
            "role": "guilder_projections",
            "application_name": "guilder-projector",
            "synchronous_commit": "off",
            **CHECKPOINT_LOCKS,
        },
    )


class Projector:
    """The `BatchHandler` of all live projections. One that cannot go on halts the shard for all of them."""

    name = NAME

    def __init__(self, pool: Any, projections: Sequence[Projection]) -> None:
        self._pool = pool
        self._projections = tuple(projections)
        self._counted: dict[int, int] = {}

    async def positions(self, shards: Sequence[int]) -> dict[int, int]:
        """What all live projections have reached, for each shard."""
        names = [projection.name for projection in self._projections]
        async with self._pool.acquire() as connection:
            return dict(await checkpoints.live_positions(connection, names, shards))

    async def handle(self, shard: int, records: Sequence[Record]) -> int:
        """Apply the records of one shard to every live projection that has not got them.

        Raises:
            PositionGap: the first record that a projection lacks does not follow its checkpoint.
        """
        return (await self.handle_together({shard: records}))[shard]

    async def handle_together(self, batches: Mapping[int, Sequence[Record]]) -> Mapping[int, int]:
        """Apply the records of some shards, all in one transaction. Raises as `handle` does."""
        logs = {shard: [record.decoded() for record in records] for shard, records in batches.items()}
        spans = self._begin_spans(logs) if TRACING.on else ()
        began_s = perf_counter()
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                positions = await checkpoints.apply_to_live(connection, self._projections, logs)
        except checkpoints.PositionGap as gap:
            raise PositionGap(gap.expected, gap.got) from gap
        POST_SECONDS.observe(perf_counter() - began_s)
        for span in spans:
            span.end()
        for shard, events in logs.items():
            # What is read again after a setback was counted before.
            counted, position = self._counted.get(shard, 0), positions[shard]
            count(event for event in events if counted < event.position <= position)
            self._counted[shard] = max(counted, position)
        return positions

    def _begin_spans(self, logs: Mapping[int, Sequence[RecordedEvent]]) -> list[Span]:
        """A span for each event whose trace is kept; one that is not applied after all is never ended, so not told."""
        begun = []
        for recorded in chain.from_iterable(logs.values()):
            name = type(recorded.event).__name__
            span = TRACING.begin(f"apply {name}", recorded.envelope.traceparent, {}, SpanKind.CONSUMER)
            if span is not None:
                span.set_attributes(recorded.envelope.named_ids(recorded.stream_id))
                models = [each.name for each in self._projections if name in each.event_types]
                span.set_attributes(
                    {"read_models": ", ".join(models), "shard": recorded.shard, "position": recorded.position}
                )
                begun.append(span)
        return begun
