"""Commands as the edge and the saga would make them, with names in place of ids: `named("capture_1")`."""

from uuid import UUID

from msgspec.structs import replace

from aggregates.payment_intent.commands import (
    AdjustPspFee,
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
from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import CaptureMethod, PaymentMethod, PspOperation
from schemas.events.psp import Decline, PspFee, PspResult, Source
from schemas.identifiers import derived_id

SHARD = 3
T0 = 1_790_000_000_000
DAY_MS = 86_400_000
HOLD_UNTIL = T0 + 7 * DAY_MS
DELAY_S = 2 * 86_400
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
    psp: str = "simulator",
) -> RecordOutcome:
    attempt_name = attempt or f"{name}.1"
    return RecordOutcome(
        attempt_id=named(attempt_name),
        outcome=PspOutcome(
            result=replace(result(name, attempt=attempt, psp_reference=psp_reference, by=by), psp=psp),
            approved=True,
            amount=amount,
            fee=None if fee is None else PspFee(amount=fee, currency=fee_currency, status="known"),
            decline=None,
            expires_at=expires_at,
            approval_code="482913",
        ),
        now_ms=now_ms,
    )


def refused(
    name: str,
    *,
    attempt: str | None = None,
    decline: Decline = DECLINED,
    fee: int | None = None,
    by: Source = "http",
    psp: str = "simulator",
) -> RecordOutcome:
    attempt_name = attempt or f"{name}.1"
    return RecordOutcome(
        attempt_id=named(attempt_name),
        outcome=PspOutcome(
            result=replace(result(name, attempt=attempt, by=by), psp=psp),
            approved=False,
            amount=0,
            fee=None if fee is None else PspFee(amount=fee, currency="EUR", status="known"),
            decline=decline,
        ),
        now_ms=T0,
    )


def adjusted(amount: int, currency: str = "EUR", name: str = "capture") -> AdjustPspFee:
    """The PSP keeps `amount` of `currency` for a capture, in all."""
    return AdjustPspFee(capture_id=named(f"{name}.capture"), amount=amount, currency=currency, result=result(name))


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
