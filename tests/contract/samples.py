"""Small commands on real events, with ids that are counted instead of drawn."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from uuid import UUID

import asyncpg
import msgspec

from event_store import NO_PREDECESSOR, Append, EventStore, NewEvent, Stream
from schemas.codec import encode
from schemas.envelope import Actor, Envelope
from schemas.errors import Rejected
from schemas.events import Event, SettlementDelaySet
from schemas.framing import command_key
from schemas.identifiers import uuid7
from schemas.records import Record, RecordedEvent

AT_MS = 1_790_000_000_000


class CountedIds:
    """Fresh ids: 1, 2, 3 … in the last bytes. Two of them never meet when their `series` differ."""

    def __init__(self, series: int = 0) -> None:
        self._numbers = count(series * 1_000_000 + 1)

    def new_id(self, shard: int) -> UUID:
        return uuid7(shard, AT_MS, next(self._numbers).to_bytes(8))


ENVELOPE = Envelope(
    effective_at=AT_MS,
    merchant_id=uuid7(0, AT_MS, bytes(8)),
    livemode=None,
    currency=None,
    actor=Actor("system", "test"),
    source="http",
    correlation_id=None,
    causation_id=None,
    traceparent=None,
)


def new_event(ids: CountedIds, delay_s: int = 60, shard: int = 0) -> NewEvent:
    event = SettlementDelaySet(delay_s=delay_s)
    return NewEvent(ids.new_id(shard), "SettlementDelaySet", encode(event), ENVELOPE.canonical())


def first(ids: CountedIds, stream_id: UUID, *, key: str | None = None, events: int = 1) -> Append:
    """A command that makes the stream."""
    return Append(
        stream_id,
        0,
        NO_PREDECESSOR,
        tuple(new_event(ids) for _ in range(events)),
        None if key is None else command_key(key),
        None if key is None else bytes(32),
    )


def following(ids: CountedIds, tip: Record | Stream, *, key: str | None = None, events: int = 1) -> Append:
    """A command decided on a stream that ends with `tip`."""
    return Append(
        tip.stream_id,
        tip.version,
        tip.record_hash,
        tuple(new_event(ids) for _ in range(events)),
        None if key is None else command_key(key),
        None if key is None else bytes(32),
    )


async def log_of(store: EventStore, shard: int) -> list[Record]:
    return await store.read(shard, 0, 100_000)


async def eventually(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30) -> None:
    """Return as soon as `condition` holds; time out if it does not in time."""
    async with asyncio.timeout(within_s):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def positions_are_dense(dsn: str) -> bool:
    """Every shard's positions are 1 … its head, whatever was attempted."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(
            await connection.fetchval(
                """
                SELECT bool_and(h.position = (SELECT count(*) FROM events e WHERE e.shard = h.shard)
                            AND h.position = (SELECT coalesce(max(e.position), 0) FROM events e WHERE e.shard = h.shard))
                FROM heads h
                """
            )
        )
    finally:
        await connection.close()


class Budget(msgspec.Struct, frozen=True):
    """The state of the aggregate below: how much was spent, how often."""

    spent: int = 0
    times: int = 0


class Spend(msgspec.Struct, frozen=True):
    """Spend `amount` of a budget of 100."""

    amount: int


class BudgetExceeded(Rejected):
    code, status, title = "budget_exceeded", 422, "The budget does not allow this."


class BudgetDecider:
    """The smallest aggregate with a cap: the sum of what was spent stays within 100."""

    def initial(self) -> Budget:
        return Budget()

    def decide(self, command: Spend, state: Budget, /) -> Sequence[Event]:
        if command.amount == 0:
            return []
        if state.spent + command.amount > 100:
            raise BudgetExceeded
        return [SettlementDelaySet(delay_s=command.amount)]

    def evolve(self, state: Budget, recorded: RecordedEvent, /) -> Budget:
        assert isinstance(recorded.event, SettlementDelaySet)
        return Budget(state.spent + recorded.event.delay_s, state.times + 1)
