"""Single events of one made-up payment in EUR, at the simulator, each with the ids that its name gives it."""

from uuid import UUID

from schemas.events import (
    AuthorizationVoided,
    CaptureReversed,
    FundsMadeAvailable,
    LateSuccessReceived,
    LateSuccessReversed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentRefunded,
    PspFeeAdjusted,
    RefundFailed,
    RefundRequested,
    RefundReversed,
)
from schemas.events.captures import Slice
from schemas.events.fees import PlatformFee
from schemas.events.psp import Decline, PspFee, PspResult
from schemas.events.refunds import Funding
from schemas.identifiers import derived_id

START_MS = 1_790_000_000_000
DECLINE = Decline(
    code="generic_decline", category="soft", psp_code=None, network_code=None, advice_code=None, retryable=True
)


def an_id(shard: int, *parts: int | str) -> UUID:
    return derived_id(shard, "test", *parts)


CAPTURE, REFUND = an_id(1, "capture", "first"), an_id(1, "refund", "refund")
FEE = PspFee(amount=7, currency="EUR", status="known")


def result(name: str = "authorize", psp: str = "simulator", shard: int = 1) -> PspResult:
    return PspResult(
        operation_id=an_id(shard, "operation", name),
        attempt_id=an_id(shard, "attempt", name),
        psp=psp,
        psp_account="main",
        psp_reference="pay_1",
        psp_operation_reference=None,
        network_reference=None,
        psp_processed_at=START_MS,
        resolved_by="http",
        tries=1,
        raw_sha256=None,
    )


def authorized(amount: int) -> PaymentAuthorized:
    return PaymentAuthorized(
        result=result(),
        amount_authorized=amount,
        expires_at=None,
        approval_code=None,
        avs=None,
        cvc_result=None,
        eci=None,
        liability_shift=None,
        card=None,
    )


def captured(name: str, amount: int, *, percent: int = 0, fixed: int = 0, psp_fee: int = 0) -> PaymentCaptured:
    return PaymentCaptured(
        result=result(name),
        capture_id=an_id(1, "capture", name),
        amount=amount,
        final=False,
        hold_released=amount,
        platform_fee=PlatformFee(percent=percent, fixed=fixed, total=percent + fixed),
        fee_plan_version=1,
        psp_fee=PspFee(amount=psp_fee, currency="EUR", status="known"),
        available_on=START_MS + 86_400_000,
    )


def pending(name: str, amount: int) -> Slice:
    return Slice(account="merchant_pending", capture_id=an_id(1, "capture", name), amount=amount)


def available(amount: int) -> Slice:
    return Slice(account="merchant_available", capture_id=None, amount=amount)


def refund_requested(name: str, *slices: Slice, psp: str = "simulator") -> RefundRequested:
    return RefundRequested(
        operation_id=an_id(1, "operation", name),
        refund_id=an_id(1, "refund", name),
        psp=psp,
        amount=sum(part.amount for part in slices),
        reason="customer_request",
        funding=tuple(Funding(source=p.account, capture_id=p.capture_id, amount=p.amount) for p in slices),
        refund_fee=0,
    )


def refunded(name: str, amount: int, *, fee: int = 0, returned: int = 0, psp_fee: int | None = None) -> PaymentRefunded:
    return PaymentRefunded(
        result=result(name),
        refund_id=an_id(1, "refund", name),
        amount=amount,
        refund_fee=fee,
        platform_fee_returned=returned,
        psp_fee=None if psp_fee is None else PspFee(amount=psp_fee, currency="EUR", status="known"),
        arn=None,
    )


def voided(amount: int) -> AuthorizationVoided:
    return AuthorizationVoided(result=result("void"), amount_released=amount, reason="rest")


def lot_available(name: str, amount: int) -> FundsMadeAvailable:
    return FundsMadeAvailable(capture_id=an_id(1, "capture", name), amount=amount, available_on=START_MS + 86_400_000)


def reversed_capture(*, platform_fee_returned: int = 0, psp_fee_returned: int = 0) -> CaptureReversed:
    return CaptureReversed(
        result=result(),
        capture_id=CAPTURE,
        amount=6000,
        platform_fee_returned=platform_fee_returned,
        psp_fee_returned=psp_fee_returned,
        taken_from=(pending("first", 5796), available(204)),
        reason="chargeback",
    )


def late(kind: str, fee: PspFee | None = None) -> LateSuccessReceived:
    return LateSuccessReceived(result=result(), kind=kind, amount=500, psp_fee=fee, told_status="declined")  # type: ignore[arg-type]


def undone(via: str, fee: PspFee | None = None) -> LateSuccessReversed:
    return LateSuccessReversed(result=result(), via=via, amount=500, psp_fee=fee)  # type: ignore[arg-type]


def fee_adjusted(delta: int) -> PspFeeAdjusted:
    return PspFeeAdjusted(result=result(), capture_id=CAPTURE, delta=delta, currency="EUR", status="known")


def failed_refund() -> RefundFailed:
    restored = (pending("first", 100), available(20))
    return RefundFailed(result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=restored)


def reversed_refund() -> RefundReversed:
    restored = (pending("first", 100), available(20))
    return RefundReversed(result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=restored)
