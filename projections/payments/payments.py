"""The payments view as a projection: each payment intent's state, folded by its own aggregate's `evolve`."""

from collections.abc import Sequence
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from aggregates.payment_intent import PaymentIntent, evolve, initial
from projections.projection import DigestedTable
from schemas.events import PaymentIntentEvent, RefundRequested
from schemas.records import RecordedEvent

_STATES: Final = """
    SELECT p.stream_id, p.created_position, p.state
    FROM unnest($1::integer[], $2::uuid[]) AS wanted (shard, stream_id)
    JOIN {schema}.payment_intents AS p USING (shard, stream_id)
"""
_STORE: Final = """
    INSERT INTO {schema}.payment_intents AS p (shard, stream_id, merchant_id, livemode, status, currency, reference,
        created_at, created_position, position, version, state)
    SELECT * FROM unnest($1::integer[], $2::uuid[], $3::uuid[], $4::boolean[], $5::text[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[])
    ON CONFLICT (shard, stream_id) DO UPDATE
    SET status = excluded.status, position = excluded.position, version = excluded.version, state = excluded.state
"""
_REFUNDS: Final = """
    INSERT INTO {schema}.refunds (shard, refund_id, stream_id, position)
    SELECT * FROM unnest($1::integer[], $2::uuid[], $3::uuid[], $4::bigint[])
"""
_INTENT_EVENTS: Final = get_args(PaymentIntentEvent)

# In the order of the log, never sorted: a state's first lot is its oldest.
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(PaymentIntent)


def decode_state(raw: bytes) -> PaymentIntent:
    """The state that a row of `payment_intents` holds."""
    return _decoder.decode(raw)


class Payments:
    """Every payment intent as it stands, with what lists filter by in columns, and where each refund belongs."""

    name: Final = "payments"
    event_types: Final = frozenset(event.__name__ for event in _INTENT_EVENTS)
    digested: Final = (DigestedTable("payment_intents", "created_position"), DigestedTable("refunds", "position"))

    async def apply(self, connection: Any, schema: str, events: Sequence[RecordedEvent]) -> None:
        """Fold events onto the states they belong to.

        Raises:
            AssertionError: an event that is not the next of its stream.
        """
        intent_events = [event for event in events if isinstance(event.event, _INTENT_EVENTS)]
        if not intent_events:
            return
        rows = await self._folded(connection, schema, intent_events)
        await connection.execute(_STORE.format(schema=schema), *zip(*rows, strict=True))
        refunds = [
            (event.shard, event.event.refund_id, event.stream_id, event.position)
            for event in intent_events
            if isinstance(event.event, RefundRequested)
        ]
        if refunds:
            await connection.execute(_REFUNDS.format(schema=schema), *zip(*refunds, strict=True))

    async def _folded(self, connection: Any, schema: str, events: Sequence[RecordedEvent]) -> list[tuple[Any, ...]]:
        states: dict[UUID, PaymentIntent] = {}
        places: dict[UUID, tuple[int, int]] = {}  # where the stream began, where it stands
        shards = {event.stream_id: event.shard for event in events}
        known = {event.stream_id for event in events} - {event.stream_id for event in events if event.version == 1}
        if known:
            wanted = [shards[stream] for stream in known], list(known)
            for row in await connection.fetch(_STATES.format(schema=schema), *wanted):
                states[row["stream_id"]] = decode_state(row["state"])
                places[row["stream_id"]] = row["created_position"], 0
        for event in events:
            stream = event.stream_id
            state = states.get(stream) or initial()
            assert event.version == state.version + 1, f"{stream} is at {state.version}, got version {event.version}"
            states[stream] = evolve(state, event)
            places[stream] = places.get(stream, (event.position, 0))[0], event.position
        return [_row(shards[stream], stream, state, *places[stream]) for stream, state in states.items()]


def _row(shard: int, stream: UUID, state: PaymentIntent, created_position: int, position: int) -> tuple[Any, ...]:
    return (
        shard,
        stream,
        state.merchant_id,
        state.livemode,
        state.status,
        state.currency,
        state.reference,
        state.created_at,
        created_position,
        position,
        state.version,
        _encoder.encode(state),
    )
