"""An event as the outside reads it: public ids, RFC 3339 times, and none of what only we and the PSP should know."""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from projections.positions import position_text
from schemas.identifiers import Prefix, public_id
from schemas.records import RecordedEvent
from schemas.timestamps import rfc3339

# Tokens that can be charged, keys under which a PSP acts, hashes of what was sent, and how we route.
_KEPT_BACK: Final = frozenset(
    {"token_ref", "payer_ref", "psp_account", "psp_idempotency_key", "request_sha256", "raw_sha256", "route_reason"}
)
_IDS: Final = {
    "operation_id": Prefix.OPERATION,
    "attempt_id": Prefix.ATTEMPT,
    "capture_id": Prefix.CAPTURE,
    "refund_id": Prefix.REFUND,
    "case_id": Prefix.CASE,
}
_TIMES: Final = frozenset({"expires_at", "available_on", "next_at", "psp_processed_at"})


class EventActor(msgspec.Struct, frozen=True, kw_only=True):
    """Who caused it."""

    type: str
    id: str


class EventResource(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a payment intent; `data` has its own fields, `operation_id` names the request it belongs to."""

    id: str
    object: Literal["event"] = "event"
    type: str
    payment_intent_id: str
    version: int
    position: str
    recorded_at: str
    effective_at: str
    livemode: bool | None
    currency: str | None
    source: str
    actor: EventActor
    operation_id: str | None
    caused_by: str | None
    data: dict[str, Any]


def event_resource(recorded: RecordedEvent) -> EventResource:
    """The public object of one event."""
    envelope = recorded.envelope
    correlation, causation = envelope.correlation_id, envelope.causation_id
    return EventResource(
        id=public_id(Prefix.EVENT, recorded.event_id),
        type=type(recorded.event).__name__,
        payment_intent_id=public_id(Prefix.PAYMENT_INTENT, recorded.stream_id),
        version=recorded.version,
        position=position_text({recorded.shard: recorded.position}),
        recorded_at=rfc3339(recorded.recorded_at),
        effective_at=rfc3339(envelope.effective_at),
        livemode=envelope.livemode,
        currency=envelope.currency,
        source=envelope.source,
        actor=EventActor(type=envelope.actor.type, id=envelope.actor.id),
        operation_id=None if correlation is None else public_id(Prefix.OPERATION, correlation),
        caused_by=None if causation is None else public_id(Prefix.EVENT, causation),
        data=_public(recorded.event),
    )


def _public(value: Any, name: str = "") -> Any:
    match value:
        case msgspec.Struct():
            fields = [field for field in value.__struct_fields__ if field not in _KEPT_BACK]
            return {field: _public(getattr(value, field), field) for field in fields}
        case tuple():
            return [_public(item, name) for item in value]
        case UUID():
            prefix = _IDS.get(name)
            return str(value) if prefix is None else public_id(prefix, value)
        case int() if name in _TIMES:
            return rfc3339(value)
        case _:
            return value
