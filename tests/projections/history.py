"""A hand-written log: recorded events with their places and envelopes, and the worked case of the contract."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from event_store import NO_PREDECESSOR, record_hash
from schemas.codec import encode, schema_of
from schemas.envelope import Actor, Envelope
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationRequested,
    CaptureRequested,
    Event,
    PaymentCaptured,
    PaymentIntentCreated,
    PspAttemptStarted,
    RefundRequested,
)
from schemas.events.fees import IntentFeePlan, PlatformFee
from schemas.events.payment_intent import PaymentMethod, PspOperation
from schemas.events.psp import PspFee, PspResult
from schemas.events.refunds import Funding
from schemas.records import Record, RecordedEvent
from tests.projections.events import (
    DECLINE,
    START_MS,
    an_id,
    authorized,
    captured,
    lot_available,
    pending,
    refund_requested,
    refunded,
    result,
    voided,
)

_LAST_HASHES: Final = (
    "SELECT DISTINCT ON (stream_id) stream_id, record_hash FROM events ORDER BY stream_id, version DESC"
)


class History:
    """Appends events to one shard: one merchant, one currency, positions from 1, a second between two events."""

    def __init__(
        self, shard: int = 1, *, merchant: str = "merchant", currency: str = "EUR", livemode: bool = False
    ) -> None:
        self.shard = shard
        self.merchant_id = an_id(shard, merchant)
        self.currency = currency
        self.livemode = livemode
        self.recorded: list[RecordedEvent] = []
        self._versions: dict[UUID, int] = {}

    def add(self, *events: Event, stream: str = "intent") -> "History":
        stream_id = an_id(self.shard, stream)
        for event in events:
            position = len(self.recorded) + 1
            self._versions[stream_id] = version = self._versions.get(stream_id, 0) + 1
            self.recorded.append(
                RecordedEvent(
                    event=event,
                    envelope=self.envelope(START_MS + position * 1000 - 250),
                    event_id=an_id(self.shard, "event", position),
                    stream_id=stream_id,
                    version=version,
                    shard=self.shard,
                    position=position,
                    recorded_at=START_MS + position * 1000,
                )
            )
        return self

    def envelope(self, effective_at: int) -> Envelope:
        return Envelope(
            effective_at=effective_at,
            merchant_id=self.merchant_id,
            livemode=self.livemode,
            currency=self.currency,
            actor=Actor(type="saga", id="saga"),
            source="http",
            correlation_id=None,
            causation_id=None,
            traceparent=None,
        )


def as_record(recorded: RecordedEvent) -> Record:
    """The row of the log that holds an event; its hash is not a real one."""
    return Record(
        shard=recorded.shard,
        position=recorded.position,
        stream_id=recorded.stream_id,
        version=recorded.version,
        event_id=recorded.event_id,
        type=type(recorded.event).__name__,
        payload=encode(recorded.event),
        metadata=recorded.envelope.canonical(),
        command_key=None,
        request_hash=None,
        record_hash=bytes(32),
        recorded_at=recorded.recorded_at,
    )


def chained_record(recorded: RecordedEvent, hashes: dict[UUID, bytes]) -> Record:
    """The same row with its hash, given the last of each stream in `hashes`, which it becomes."""
    record = as_record(recorded)
    hashes[record.stream_id] = record_hash(
        hashes.get(record.stream_id, NO_PREDECESSOR),
        stream_id=record.stream_id,
        version=record.version,
        event_id=record.event_id,
        event_type=record.type,
        schema_sha256=schema_of(record.payload).sha256,
        payload=record.payload,
        metadata=record.metadata,
        command_key=None,
        request_hash=None,
    )
    return replace(record, record_hash=hashes[record.stream_id])


async def write_log(dsn: str, recorded: Sequence[RecordedEvent]) -> None:
    """Put events into the log as they are, past the store, each with its hash."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            hashes = dict(await connection.fetch(_LAST_HASHES))
            records = [chained_record(event, hashes) for event in recorded]
            rows = [tuple(getattr(record, field) for field in Record.__struct_fields__) for record in records]
            await connection.copy_records_to_table("events", records=rows, columns=Record.__struct_fields__)
            await connection.executemany(
                "UPDATE heads SET position = $2, recorded_at = $3 WHERE shard = $1",
                [(event.shard, event.position, event.recorded_at) for event in recorded],
            )
    finally:
        await connection.close()


def worked_case(shard: int = 1, *, merchant: str = "merchant") -> History:
    """Payments contract, section 3: 2.9 % + 30 to the platform, 1.1 % to the PSP, none on refunds."""
    return History(shard, merchant=merchant).add(
        authorized(10000),
        captured("first", 6000, percent=174, fixed=30, psp_fee=66),
        captured("second", 3000, percent=87, psp_fee=33),
        voided(1000),
        refund_requested("refund", pending("first", 5000)),
        refunded("refund", 5000),
        lot_available("first", 796),
        lot_available("second", 2913),
    )


class Payment:
    """The events of one payment intent, with ids of its own and a shard of its own."""

    def __init__(
        self, name: str, *, shard: int = 1, amount: int = 10000, currency: str = "EUR", psp: str = "simulator"
    ) -> None:
        self.name, self.shard, self.amount, self.currency, self.psp = name, shard, amount, currency, psp

    def id(self, kind: str, number: int = 0) -> UUID:
        return an_id(self.shard, self.name, kind, number)

    def result(self, number: int) -> PspResult:
        base = result(psp=self.psp)
        return replace(base, operation_id=self.id("operation", number), attempt_id=self.id("attempt", number))

    def created(self, reference: str | None = None) -> PaymentIntentCreated:
        return PaymentIntentCreated(
            amount=self.amount,
            currency=self.currency,
            exponent=2,
            capture_method="manual",
            reference=reference,
            statement_descriptor=None,
            metadata={"cart": "8812"},
            return_url=None,
            fee_plan=IntentFeePlan(
                version=1, rate_ppm=29_000, fixed=30, refund_fee=0, returned_on_refund=False, rounding="half_up"
            ),
            settlement_delay_s=5,
        )

    def attempt(self, number: int, operation: PspOperation, amount: int) -> PspAttemptStarted:
        return PspAttemptStarted(
            attempt_id=self.id("attempt", number),
            operation_id=self.id("operation", number),
            operation=operation,
            psp=self.psp,
            psp_account="main",
            psp_idempotency_key=str(self.id("attempt", number)),
            our_reference=str(self.id("attempt", number)),
            amount=amount,
            currency=self.currency,
            psp_amount=amount,
            psp_exponent=2,
            attempt_no=1,
            route_reason="only",
            request_sha256="ab" * 32,
        )

    def authorizing(self) -> list[Event]:
        requested = AuthorizationRequested(
            operation_id=self.id("operation", 1),
            kind="hold",
            amount=self.amount,
            payment_method=PaymentMethod(
                type="card", token_ref="tok_ok", brand="visa", last4="4242", payer_ref=None, mask=None
            ),
            initiator="cit",
            capture_id=None,
        )
        approved = replace(authorized(self.amount), result=self.result(1))
        return [requested, self.attempt(1, "authorize", self.amount), approved]

    def declining(self) -> list[Event]:
        declined = AuthorizationDeclined(result=self.result(1), decline=DECLINE, psp_fee=None)
        return [*self.authorizing()[:2], declined]

    def capturing(self, *, fee: int = 320, psp_fee: int = 110) -> list[Event]:
        requested = CaptureRequested(
            operation_id=self.id("operation", 2), capture_id=self.id("capture"), amount=self.amount, final=True
        )
        done = PaymentCaptured(
            result=self.result(2),
            capture_id=self.id("capture"),
            amount=self.amount,
            final=True,
            hold_released=self.amount,
            platform_fee=PlatformFee(percent=fee - 30, fixed=30, total=fee),
            fee_plan_version=1,
            psp_fee=PspFee(amount=psp_fee, currency=self.currency, status="known"),
            available_on=START_MS + 86_400_000,
        )
        return [requested, self.attempt(2, "capture", self.amount), done]

    def refunding(self, amount: int) -> list[Event]:
        requested = RefundRequested(
            operation_id=self.id("operation", 3),
            refund_id=self.id("refund"),
            psp=self.psp,
            amount=amount,
            reason="customer_request",
            funding=(Funding(source="merchant_pending", capture_id=self.id("capture"), amount=amount),),
            refund_fee=0,
        )
        done = replace(refunded("refund", amount), result=self.result(3), refund_id=self.id("refund"))
        return [requested, self.attempt(3, "refund", amount), done]

    def paid(self, reference: str | None = None) -> list[Event]:
        return [self.created(reference), *self.authorizing(), *self.capturing()]
