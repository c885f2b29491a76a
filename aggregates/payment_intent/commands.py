"""What can be asked of a payment intent: by its merchant, by the saga that talks to PSPs, and by timers.

Amounts are minor units of the intent's currency, times Unix milliseconds. Ids and times are minted at the edge, so that
deciding the same command on the same state always gives the same events.
"""

from typing import Literal
from uuid import UUID

import msgspec

from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import CaptureMethod, PaymentMethod, PspOperation
from schemas.events.psp import CardFacts, Decline, PspFee, PspResult, Source
from schemas.events.unknown_outcomes import NextStep, UnknownCause


class RequestAuthorization(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hold the money (capture method manual) or take it at once (automatic, as capture `capture_id`)."""

    operation_id: UUID
    capture_id: UUID
    payment_method: PaymentMethod
    initiator: Literal["cit", "mit"] = "cit"


class CreatePaymentIntent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Begin a payment; `fee_plan` and `settlement_delay_s` are the merchant's of this moment.

    `authorize` asks for the authorization in the same breath.
    """

    amount: int
    currency: str
    capture_method: CaptureMethod
    reference: str | None
    statement_descriptor: str | None
    metadata: dict[str, str]
    return_url: str | None
    fee_plan: IntentFeePlan
    settlement_delay_s: int
    authorize: RequestAuthorization | None


class RequestCapture(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Capture `amount`, or all that is left when null; `final` (null: true without amount, else false) frees the rest."""

    operation_id: UUID
    capture_id: UUID
    amount: int | None
    final: bool | None


class RequestRefund(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Give back `amount`, or all that is left when null."""

    operation_id: UUID
    refund_id: UUID
    amount: int | None
    reason: str | None


class RequestCancellation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Release what is neither captured nor released."""

    operation_id: UUID
    reason: str


class StartAttempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The saga is about to call a PSP for `operation_id`; decided again for an attempt that has started, nothing happens."""

    attempt_id: UUID
    operation_id: UUID
    operation: PspOperation
    psp: str
    psp_account: str
    psp_idempotency_key: str
    our_reference: str
    psp_amount: int
    psp_exponent: int
    attempt_no: int
    route_reason: str
    request_sha256: str


Words = tuple[int | str | None, ...]
"""What a PSP told, as far as it makes one word of it another: never how or when it came."""


class PspOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A PSP's definitive answer to one attempt, in our minor units; `decline` is set exactly when not `approved`.

    `never_sent` is a no that no PSP said: its caller knows of no call that may have left.
    """

    result: PspResult
    approved: bool
    amount: int
    fee: PspFee | None
    decline: Decline | None
    expires_at: int | None = None
    approval_code: str | None = None
    avs: str | None = None
    cvc_result: str | None = None
    eci: str | None = None
    liability_shift: bool | None = None
    card: CardFacts | None = None
    arn: str | None = None
    never_sent: bool = False

    @property
    def words(self) -> Words:
        """What makes this answer another one than one before."""
        result = self.result
        return (
            int(self.approved),
            result.psp,
            result.psp_reference,
            result.psp_operation_reference,
            self.amount,
            None if self.decline is None else self.decline.code,
        )


class RecordOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A definitive answer came, early or late; the aggregate decides what it means now."""

    attempt_id: UUID
    outcome: PspOutcome
    now_ms: int


class RecordUnknown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The call of an attempt ended without a definitive answer after `tries` calls."""

    attempt_id: UUID
    cause: UnknownCause
    http_status: int | None
    tries: int
    next_step: NextStep
    next_at: int | None


class OpenCase(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything automatic was tried on an attempt; a person has to find out."""

    case_id: UUID
    attempt_id: UUID
    reason: str


class RecordCaptureReversal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PSP took back `amount` of a capture that had succeeded, and gave back `psp_fee_returned` of its fee for it.

    `result` names the attempt that captured; its `psp_operation_reference` is that of the reversal, null where the PSP
    gave it none.
    """

    capture_id: UUID
    amount: int
    psp_fee_returned: int
    result: PspResult
    reason: str


class RecordRefundReversal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A refund that had succeeded came back whole; `result` names the attempt that refunded."""

    refund_id: UUID
    result: PspResult
    decline: Decline


class AdjustPspFee(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PSP named its fee of a capture after it: what it keeps in all, `amount` minor units of `currency`.

    `result` names the attempt that captured.
    """

    capture_id: UUID
    amount: int
    currency: str
    result: PspResult


class ExpireAuthorization(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The hold's time is over at `now_ms`, and the PSP (or its silence past the deadline) confirms it."""

    now_ms: int
    confirmed_by: Source


class MakeFundsAvailable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The settlement delay of a capture is over at `now_ms`."""

    capture_id: UUID
    now_ms: int


Command = (
    CreatePaymentIntent
    | RequestAuthorization
    | RequestCapture
    | RequestRefund
    | RequestCancellation
    | StartAttempt
    | RecordOutcome
    | RecordUnknown
    | OpenCase
    | RecordCaptureReversal
    | RecordRefundReversal
    | AdjustPspFee
    | ExpireAuthorization
    | MakeFundsAvailable
)
