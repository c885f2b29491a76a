"""given / when / then for the payment intent: a scenario is a value; each step gives a new one.

`given(...)` decides commands and folds their events, going through the wire frame each time. `when` is the command under
test; `then`, `rejected` and `nothing` say what it must cause. Names stand for ids: `op("capture_1")`.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent.commands import (
    Command,
    CreatePaymentIntent,
    PspOutcome,
    RecordOutcome,
    RequestAuthorization,
    RequestCancellation,
    RequestCapture,
    RequestRefund,
    StartAttempt,
)
from aggregates.payment_intent.state import PaymentIntent
from schemas.codec import decode, encode
from schemas.envelope import Actor, Envelope
from schemas.errors import Rejected
from schemas.events import Event
from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import CaptureMethod, PaymentMethod, PspOperation
from schemas.events.psp import Decline, PspFee, PspResult, Source
from schemas.identifiers import derived_id
from schemas.records import RecordedEvent

SHARD = 3
T0 = 1_790_000_000_000
DAY_MS = 86_400_000
HOLD_UNTIL = T0 + 7 * DAY_MS
DELAY_S = 2 * 86_400
STREAM = derived_id(SHARD, "stream")
MERCHANT = derived_id(SHARD, "merchant")
CARD = PaymentMethod(type="card", token_ref="tok_ok", brand="visa", last4="4242", payer_ref=None, mask=None)
NO_FEES = IntentFeePlan(version=0, rate_ppm=0, fixed=0, refund_fee=0, returned_on_refund=False, rounding="half_up")
DEMO_PLAN = IntentFeePlan(
    version=4, rate_ppm=29_000, fixed=30, refund_fee=0, returned_on_refund=False, rounding="half_up"
)
DECLINED = Decline(
    code="do_not_honor", category="soft", psp_code="05", network_code="05", advice_code=None, retryable=True
)


def named(name: str) -> UUID:
    """The id that a name stands for."""
    return derived_id(SHARD, name)


def create(
    amount: int = 10_000,
    *,
    currency: str = "EUR",
    capture_method: CaptureMethod = "manual",
    plan: IntentFeePlan = NO_FEES,
    authorize: str | None = None,
) -> CreatePaymentIntent:
    return CreatePaymentIntent(
        amount=amount,
        currency=currency,
        capture_method=capture_method,
        reference="order-17",
        statement_descriptor=None,
        metadata={"cart": "8812"},
        return_url=None,
        fee_plan=plan,
        settlement_delay_s=DELAY_S,
        authorize=None if authorize is None else request_authorization(authorize),
    )


def request_authorization(name: str = "authorize") -> RequestAuthorization:
    return RequestAuthorization(operation_id=named(name), capture_id=named(f"{name}.sale"), payment_method=CARD)


def request_capture(amount: int | None, name: str = "capture", *, final: bool | None = None) -> RequestCapture:
    return RequestCapture(operation_id=named(name), capture_id=named(f"{name}.capture"), amount=amount, final=final)


def request_refund(amount: int | None, name: str = "refund") -> RequestRefund:
    return RequestRefund(
        operation_id=named(name), refund_id=named(f"{name}.refund"), amount=amount, reason="customer_request"
    )


def request_cancellation(name: str = "cancel") -> RequestCancellation:
    return RequestCancellation(operation_id=named(name), reason="out_of_stock")


def start(name: str, operation: PspOperation, *, attempt: str | None = None, undoes: str | None = None) -> StartAttempt:
    """The attempt `{name}.1` of the operation `name`; a reversal repeats the reference of the attempt it undoes."""
    attempt_name = attempt or f"{name}.1"
    return StartAttempt(
        attempt_id=named(attempt_name),
        operation_id=named(name),
        operation=operation,
        psp="simulator",
        psp_account="main",
        psp_idempotency_key=f"key-{attempt_name}",
        our_reference=undoes or attempt_name,
        psp_amount=1,
        psp_exponent=2,
        attempt_no=1,
        route_reason="only_psp",
        request_sha256="0" * 64,
    )


def result(name: str, *, attempt: str | None = None, psp_reference: str = "pay_1", by: Source = "http") -> PspResult:
    attempt_name = attempt or f"{name}.1"
    return PspResult(
        operation_id=named(name),
        attempt_id=named(attempt_name),
        psp="simulator",
        psp_account="main",
        psp_reference=psp_reference,
        psp_operation_reference=f"op-{attempt_name}",
        network_reference="net_1",
        psp_processed_at=T0,
        resolved_by=by,
        tries=1,
        raw_sha256="1" * 64,
    )


def approved(
    name: str,
    amount: int,
    *,
    attempt: str | None = None,
    fee: int | None = None,
    now_ms: int = T0,
    psp_reference: str = "pay_1",
    expires_at: int | None = HOLD_UNTIL,
    by: Source = "http",
    fee_currency: str = "EUR",
) -> RecordOutcome:
    attempt_name = attempt or f"{name}.1"
    return RecordOutcome(
        attempt_id=named(attempt_name),
        outcome=PspOutcome(
            result=result(name, attempt=attempt, psp_reference=psp_reference, by=by),
            approved=True,
            amount=amount,
            fee=None if fee is None else PspFee(amount=fee, currency=fee_currency, status="known"),
            decline=None,
            expires_at=expires_at,
            approval_code="482913",
        ),
        case_id=named(f"{attempt_name}.case"),
        now_ms=now_ms,
    )


def refused(
    name: str,
    *,
    attempt: str | None = None,
    decline: Decline = DECLINED,
    fee: int | None = None,
    by: Source = "http",
) -> RecordOutcome:
    attempt_name = attempt or f"{name}.1"
    return RecordOutcome(
        attempt_id=named(attempt_name),
        outcome=PspOutcome(
            result=result(name, attempt=attempt, by=by),
            approved=False,
            amount=0,
            fee=None if fee is None else PspFee(amount=fee, currency="EUR", status="known"),
            decline=decline,
        ),
        case_id=named(f"{attempt_name}.case"),
        now_ms=T0,
    )


def authorized(amount: int = 10_000, *, plan: IntentFeePlan = NO_FEES) -> list[Command]:
    """The commands that make an intent authorized."""
    return [create(amount, plan=plan, authorize="authorize"), *succeed("authorize", "authorize", amount)]


def succeed(name: str, operation: PspOperation, amount: int, *, fee: int | None = None) -> list[Command]:
    return [start(name, operation), approved(name, amount, fee=fee)]


def capture(amount: int, name: str = "capture", *, final: bool | None = None, fee: int | None = None) -> list[Command]:
    return [request_capture(amount, name, final=final), *succeed(name, "capture", amount, fee=fee)]


def refund(amount: int, name: str = "refund") -> list[Command]:
    return [request_refund(amount, name), *succeed(name, "refund", amount)]


def cancel(amount: int, name: str = "cancel") -> list[Command]:
    return [request_cancellation(name), *succeed(name, "void", amount)]


def correlation_of(command: Command) -> UUID | None:
    """The operation that the edge or the saga would put on the events of `command`."""
    match command:
        case CreatePaymentIntent(authorize=None):
            return named("create")
        case CreatePaymentIntent(authorize=RequestAuthorization(operation_id=operation_id)):
            return operation_id
        case _:
            return getattr(command, "operation_id", None)


class Scenario(msgspec.Struct, frozen=True):
    """A stream so far, its fold, and what the last command caused."""

    state: PaymentIntent = payment_intent.initial()
    history: tuple[RecordedEvent, ...] = ()
    caused: tuple[Event, ...] = ()

    def given(self, *commands: Command | Sequence[Command]) -> "Scenario":
        """After these commands, each of which must be accepted."""
        scenario = self
        for command in commands:
            for one in command if isinstance(command, Sequence) else (command,):
                scenario = scenario.after(one)
        return scenario

    def after(self, command: Command) -> "Scenario":
        """After one command; deciding it again must give the same events."""
        events = payment_intent.decide(command, self.state)
        assert payment_intent.decide(command, self.state) == events
        return self.recording(events, correlation_of(command))

    def recording(self, events: Sequence[Event], correlation_id: UUID | None = None) -> "Scenario":
        """The stream with `events` appended, as they read after a journey through the wire frame."""
        state, history = self.state, list(self.history)
        for event in events:
            travelled = decode(encode(event))
            assert travelled == event
            recorded = _recorded(travelled, len(history) + 1, correlation_id)
            state = payment_intent.evolve(state, recorded)
            history.append(recorded)
        return Scenario(state, tuple(history), tuple(events))

    def when(self, command: Command) -> "Outcome":
        """The command under test."""
        try:
            return Outcome(before=self, after=self.after(command))
        except Rejected as rejected:
            return Outcome(before=self, refusal=rejected)


class Outcome(msgspec.Struct, frozen=True):
    """What the command under test caused: events, or a refusal."""

    before: Scenario
    after: Scenario | None = None
    refusal: Rejected | None = None

    def then(self, *expected: type[Event] | Event) -> Scenario:
        """Exactly these events: a type stands for any of it, an event for itself."""
        assert self.after is not None, f"refused: {self.refusal!r}"
        shown = tuple(
            type(event) if isinstance(want, type) else event
            for want, event in zip(expected, self.after.caused, strict=False)
        )
        assert shown == expected
        assert len(self.after.caused) == len(expected), self.after.caused
        return self.after

    def nothing(self) -> Scenario:
        """It was accepted and nothing is left to do."""
        return self.then()

    def rejected(self, refusal: type[Rejected], **extensions: object) -> Scenario:
        """It was refused, with these members in the problem document."""
        assert self.refusal is not None, f"accepted: {self.after and self.after.caused}"
        assert type(self.refusal) is refusal
        shown = {name: self.refusal.extensions.get(name) for name in extensions}
        assert shown == extensions
        return self.before


def given(*commands: Command | Sequence[Command]) -> Scenario:
    """A payment intent after these commands."""
    return Scenario().given(*commands)


def _recorded(event: Event, version: int, correlation_id: UUID | None) -> RecordedEvent:
    return RecordedEvent(
        event=event,
        envelope=Envelope(
            effective_at=T0,
            merchant_id=MERCHANT,
            livemode=False,
            currency="EUR",
            actor=Actor(type="system", id="test"),
            source="http",
            correlation_id=correlation_id,
            causation_id=None,
            traceparent=None,
        ),
        event_id=named(f"event-{version}"),
        stream_id=STREAM,
        version=version,
        shard=SHARD,
        position=version,
        recorded_at=T0 + version,
    )


def only(event_type: type[Event], scenario: Scenario) -> Any:
    """The one event of a type that the last command caused."""
    (event,) = [event for event in scenario.caused if isinstance(event, event_type)]
    return event
