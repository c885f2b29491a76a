"""Whose payment intent it is: a merchant sees only its own, and a key only those of its mode."""

from collections import OrderedDict
from typing import Annotated, Final
from uuid import UUID

import msgspec

from event_store import EventStore, Stream
from schemas.errors import (
    FieldError,
    LivemodeMismatch,
    MerchantMismatch,
    NotFound,
    ValidationFailed,
)
from schemas.events import PaymentIntentCreated
from schemas.identifiers import MalformedId, Prefix, parse_public_id, shard_of
from schemas.routes import Principal

_CAPACITY: Final = 100_000

MerchantIdField = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^mer_[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$",
        description="The merchant the request is for. Optional with a merchant's own key.",
        examples=["mer_01JD8Z4Y7Q0008000000000042"],
    ),
]


class IntentFacts(msgspec.Struct, frozen=True, gc=False):
    """What never changes about a payment intent."""

    merchant_id: UUID
    livemode: bool
    currency: str


class Ownership:
    """Knows the unchanging facts of the intents that were asked for last, so that most commands read a stream once."""

    def __init__(self, store: EventStore, *, capacity: int = _CAPACITY) -> None:
        self._store = store
        self._capacity = capacity
        self._facts: OrderedDict[UUID, IntentFacts] = OrderedDict()

    def remember(self, intent_id: UUID, facts: IntentFacts) -> None:
        """Note an intent that was just created."""
        self._facts[intent_id] = facts
        if len(self._facts) > self._capacity:
            self._facts.popitem(last=False)

    async def facts_for(self, principal: Principal, intent_id: UUID) -> IntentFacts:
        """The facts of an intent that the caller may see.

        Raises:
            NotFound: there is none, or it is another merchant's.
            LivemodeMismatch: it is the caller's, but of the other mode.
            ShardUnavailable: the store cannot be asked.
        """
        self._require_home(principal, intent_id)
        facts = self._facts.get(intent_id)
        if facts is None:
            facts = facts_of(await self._store.load(intent_id))
            self.remember(intent_id, facts)
        require_visible(principal, facts)
        return facts

    async def load_for(self, principal: Principal, intent_id: UUID) -> Stream:
        """The stream, as it is now, of an intent that the caller may see; raises as `facts_for` does."""
        self._require_home(principal, intent_id)
        stream = await self._store.load(intent_id)
        require_visible(principal, facts_of(stream))
        return stream

    def _require_home(self, principal: Principal, intent_id: UUID) -> None:
        """An id routes by its shard: one outside the installation or the merchant's shard is nobody's."""
        shard = shard_of(intent_id)
        if shard >= self._store.shards or (
            principal.merchant_id is not None and shard != shard_of(principal.merchant_id)
        ):
            raise NotFound


def facts_of(stream: Stream) -> IntentFacts:
    """The unchanging facts of a payment intent's stream; raises `NotFound` for any other."""
    if not stream.records or not isinstance(stream.records[0].event, PaymentIntentCreated):
        raise NotFound
    envelope = stream.records[0].envelope
    assert envelope.livemode is not None
    assert envelope.currency is not None
    return IntentFacts(envelope.merchant_id, envelope.livemode, envelope.currency)


def require_visible(principal: Principal, facts: IntentFacts) -> None:
    """Raise `NotFound` for another merchant's intent, `LivemodeMismatch` for one's own of the other mode."""
    if principal.merchant_id is None:
        return
    if facts.merchant_id != principal.merchant_id:
        raise NotFound
    if facts.livemode != principal.livemode:
        raise LivemodeMismatch


def intent_id_of(text: str) -> UUID:
    """The id in a path; one that is malformed names nothing, so it raises `NotFound`."""
    try:
        return parse_public_id(Prefix.PAYMENT_INTENT, text)
    except MalformedId:
        raise NotFound from None


def require_merchant(merchant_id: UUID, named: str | None) -> None:
    """Raise `MerchantMismatch` when a body names another merchant than the one the request is for."""
    if named is not None and parse_public_id(Prefix.MERCHANT, named) != merchant_id:
        raise MerchantMismatch


def acting_for(principal: Principal, merchant_id: str | None, livemode: bool | None) -> tuple[UUID, bool]:
    """For which merchant and in which mode something new is made, given what the body says of it.

    A merchant's key settles both; the operator's settles neither, so its body has to.

    Raises:
        MerchantMismatch, LivemodeMismatch: the body says otherwise than the key.
        ValidationFailed: the operator's body leaves one out.
    """
    if principal.merchant_id is not None and principal.livemode is not None:
        require_merchant(principal.merchant_id, merchant_id)
        if livemode is not None and livemode != principal.livemode:
            raise LivemodeMismatch
        return principal.merchant_id, principal.livemode
    if merchant_id is None or livemode is None:
        required = {"/merchant_id": merchant_id, "/livemode": livemode}
        raise ValidationFailed(
            [
                FieldError(pointer, "missing", "is required with the operator's key")
                for pointer, value in required.items()
                if value is None
            ]
        )
    return parse_public_id(Prefix.MERCHANT, merchant_id), livemode
