"""A log of payments that went well, made by the aggregate's own decisions: seven events each, from created to captured."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from aggregates import payment_intent
from aggregates.payment_intent.commands import (
    Command,
    CreatePaymentIntent,
    PspOutcome,
    RecordOutcome,
    RequestAuthorization,
    RequestCapture,
    StartAttempt,
)
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from event_store import EventStore
from event_store.appends import Append, NewEvent
from event_store.record_hashes import NO_PREDECESSOR
from schemas.codec import encode
from schemas.envelope import Actor, Envelope
from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import PaymentMethod, PspOperation
from schemas.events.psp import PspFee, PspResult
from schemas.identifiers import shard_of
from schemas.records import RecordedEvent

EVENTS_EACH: Final = 7
_AT_ONCE: Final = 256
_AMOUNT: Final = 19_99
_FEES: Final = IntentFeePlan(
    version=1, rate_ppm=29_000, fixed=30, refund_fee=0, returned_on_refund=False, rounding="half_up"
)
_CARD: Final = PaymentMethod(type="card", token_ref="tok_ok", brand="visa", last4="4242", payer_ref=None, mask=None)  # noqa: S106 - the simulator's token
_SETTLEMENT_DELAY_S: Final = 172_800
_HOLD_MS: Final = 7 * 86_400_000


async def pay(store: EventStore, merchants: Sequence[UUID], count: int) -> list[UUID]:
    """Append `count` paid lifecycles, spread evenly over the merchants, as events of test mode; their intents.

    Each is one append of all its events, so that the log is filled as fast as the store can take it.
    """
    turns = iter(range(count))
    paid: list[UUID] = []

    async def payer() -> None:
        for turn in turns:
            lifecycle = paid_lifecycle(merchants[turn % len(merchants)])
            await store.append(lifecycle)
            paid.append(lifecycle.stream_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, count)):
            group.create_task(payer())
    return paid


def paid_lifecycle(merchant_id: UUID) -> Append:
    """A payment from its creation to its capture: what the aggregate decides on, command by command."""
    shard = shard_of(merchant_id)
    intent_id = SYSTEM_IDS.new_id(shard)
    state = payment_intent.initial()
    events: list[NewEvent] = []
    for operation_id, command in _commands(shard):
        now_ms = SYSTEM_CLOCK.now_ms()
        envelope = envelope_of(merchant_id, operation_id, now_ms)
        metadata = envelope.canonical()
        for event in payment_intent.decide(command, state):
            new = NewEvent(SYSTEM_IDS.new_id(shard), type(event).__name__, encode(event), metadata)
            events.append(new)
            recorded = RecordedEvent(
                event=event,
                envelope=envelope,
                event_id=new.event_id,
                stream_id=intent_id,
                version=len(events),
                shard=shard,
                position=len(events),
                recorded_at=now_ms,
            )
            state = payment_intent.evolve(state, recorded)
    assert len(events) == EVENTS_EACH, events
    return Append(intent_id, 0, NO_PREDECESSOR, tuple(events))


def envelope_of(merchant_id: UUID, operation_id: UUID, now_ms: int) -> Envelope:
    """The envelope of an event of the bench, in test mode."""
    return Envelope(
        effective_at=now_ms,
        merchant_id=merchant_id,
        livemode=False,
        currency="EUR",
        actor=Actor(type="system", id="bench"),
        source="operator",
        correlation_id=operation_id,
        causation_id=None,
        traceparent=None,
    )


def creation() -> CreatePaymentIntent:
    """The command that every payment here begins with."""
    return CreatePaymentIntent(
        amount=_AMOUNT,
        currency="EUR",
        capture_method="manual",
        reference="order-2026-000017",
        statement_descriptor=None,
        metadata={"cart": "c-48151623"},
        return_url=None,
        fee_plan=_FEES,
        settlement_delay_s=_SETTLEMENT_DELAY_S,
        authorize=None,
    )


def _commands(shard: int) -> Iterator[tuple[UUID, Command]]:
    """Each command with the operation it belongs to."""
    first, authorization, capture, capture_id, sale_id = (SYSTEM_IDS.new_id(shard) for _ in range(5))
    yield first, creation()
    asked = RequestAuthorization(operation_id=authorization, capture_id=sale_id, payment_method=_CARD)
    yield authorization, asked
    yield from _approved(shard, authorization, "authorize", fee=None)
    yield capture, RequestCapture(operation_id=capture, capture_id=capture_id, amount=None, final=None)
    yield from _approved(shard, capture, "capture", fee=PspFee(amount=28, currency="EUR", status="known"))


def _approved(
    shard: int, operation_id: UUID, operation: PspOperation, *, fee: PspFee | None
) -> Iterator[tuple[UUID, Command]]:
    attempt_id, now_ms = SYSTEM_IDS.new_id(shard), SYSTEM_CLOCK.now_ms()
    reference = str(attempt_id)
    yield (
        operation_id,
        StartAttempt(
            attempt_id=attempt_id,
            operation_id=operation_id,
            operation=operation,
            psp="simulator",
            psp_account="main",
            psp_idempotency_key=reference,
            our_reference=reference,
            psp_amount=_AMOUNT,
            psp_exponent=2,
            attempt_no=1,
            route_reason="only_psp",
            request_sha256="0" * 64,
        ),
    )
    result = PspResult(
        operation_id=operation_id,
        attempt_id=attempt_id,
        psp="simulator",
        psp_account="main",
        psp_reference=f"pay_{operation_id}",
        psp_operation_reference=f"op_{operation_id}",
        network_reference=None,
        psp_processed_at=now_ms,
        resolved_by="http",
        tries=1,
        raw_sha256="1" * 64,
    )
    outcome = PspOutcome(
        result=result, approved=True, amount=_AMOUNT, fee=fee, decline=None, expires_at=now_ms + _HOLD_MS
    )
    yield operation_id, RecordOutcome(attempt_id=attempt_id, outcome=outcome, now_ms=now_ms)
