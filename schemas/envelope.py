"""What stands around an event: who caused it, when it took effect, and how it hangs together with others."""

from typing import Literal
from uuid import UUID

import msgspec

from schemas.canonical import canonical_json
from schemas.events.psp import Source
from schemas.identifiers import Prefix, public_id

API_VERSION = "2026-11-01"


class Actor(msgspec.Struct, frozen=True, gc=False):
    """Who acted: `type` says what kind of actor, `id` which one (a key's public id, an operator's name, a worker)."""

    type: Literal["api_key", "operator", "saga", "timer", "system"]
    id: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event's metadata; every field is always present, null where it does not apply.

    `effective_at` is when the fact holds in the world (Unix ms), as `recorded_at` is when the log learned of it.
    `livemode` and `currency` are null on events that concern neither (a merchant's registration).
    """

    effective_at: int
    merchant_id: UUID
    livemode: bool | None
    currency: str | None
    actor: Actor
    source: Source
    correlation_id: UUID | None
    causation_id: UUID | None
    traceparent: str | None
    api_version: str = API_VERSION

    def canonical(self) -> bytes:
        """The RFC 8785 bytes that are stored, hashed and sent."""
        return canonical_json(self)

    def named_ids(self, stream_id: UUID) -> dict[str, str]:
        """The ids by which logs and traces name what an event of that stream concerns, as the API and Kafka spell them."""
        ids = {"merchant_id": public_id(Prefix.MERCHANT, self.merchant_id)}
        if stream_id != self.merchant_id:
            ids["payment_intent_id"] = public_id(Prefix.PAYMENT_INTENT, stream_id)
        if self.correlation_id is not None:
            ids["correlation_id"] = str(self.correlation_id)
        return ids


_decoder = msgspec.json.Decoder(Envelope)


def decode_envelope(raw: bytes) -> Envelope:
    """The envelope that `canonical` wrote."""
    return _decoder.decode(raw)
