"""What is known of one payment intent: the fold of its stream, as frozen values.

Amounts are minor units of the intent's currency, times Unix milliseconds of the moment the log learned (`recorded_at`).
Mappings are never changed in place: an event that touches one makes a new dict. They keep the order of the log, so the
first lot is the oldest.
"""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import msgspec

from aggregates.payment_intent import caps
from aggregates.payment_intent.status import derive_status
from schemas.events.captures import MerchantAccount
from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import CaptureMethod, PaymentMethod, PspOperation
from schemas.events.psp import Decline, PspFee
from schemas.events.unknown_outcomes import NextStep
from schemas.resources import MovementStatus, PaymentIntentStatus

AttemptStatus = Literal["processing", "unknown", "succeeded", "failed"]

_NOBODY = UUID(int=0)
_NO_PLAN = IntentFeePlan(version=0, rate_ppm=0, fixed=0, refund_fee=0, returned_on_refund=False, rounding="half_up")


class Operation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing the merchant asked for. `ended_version` is the version of its terminal event, null while it is open.

    `kind` is what a PSP is asked to do; a sale is an `authorize` that names its `capture_id`.
    """

    id: UUID
    kind: PspOperation
    amount: int
    requested_at: int
    ended_version: int | None = None
    capture_id: UUID | None = None
    refund_id: UUID | None = None
    payment_method: PaymentMethod | None = None
    initiator: Literal["cit", "mit"] | None = None
    reason: str | None = None
    attempts: tuple[UUID, ...] = ()

    @property
    def sale(self) -> bool:
        """Whether the authorization takes the money at once."""
        return self.kind == "authorize" and self.capture_id is not None


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a PSP under one idempotency key, however often it is repeated.

    `reverses` names the attempt whose late success a `reversal` undoes; `decline` is the negative that was told.
    `given_up_at` is the latest of its tries after which it was to be undone, or a person to look; null while none was.
    """

    id: UUID
    operation_id: UUID
    operation: PspOperation
    psp: str
    psp_account: str
    psp_idempotency_key: str
    our_reference: str
    amount: int
    psp_amount: int
    psp_exponent: int
    attempt_no: int
    started_at: int
    status: AttemptStatus = "processing"
    tries: int = 0
    next_step: NextStep | None = None
    given_up_at: int | None = None
    psp_reference: str | None = None
    psp_operation_reference: str | None = None
    decline: Decline | None = None
    ended_at: int | None = None
    reverses: UUID | None = None

    @property
    def open(self) -> bool:
        """Whether no definitive answer has come."""
        return self.ended_at is None


class Authorization(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The hold or sale that succeeded, and where later operations find it at the PSP."""

    operation_id: UUID
    attempt_id: UUID
    psp: str
    psp_account: str
    psp_reference: str | None
    network_reference: str | None
    authorized_at: int


class Reversal(msgspec.Struct, frozen=True, gc=False):
    """A part of a capture that the PSP took back; `reference` is the PSP's of doing so, null where it named none."""

    reference: str | None
    amount: int


class Capture(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One capture; `reversed_amount` of it the PSP took back, in `reversals`.

    `platform_fee` is what was charged for it, `psp_fee` what the PSP keeps by now.
    """

    id: UUID
    operation_id: UUID
    amount: int
    final: bool
    status: MovementStatus
    created_at: int
    captured_at: int | None = None
    available_on: int | None = None
    platform_fee: int | None = None
    psp_fee: PspFee | None = None
    attempt_id: UUID | None = None
    psp_reference: str | None = None
    psp_operation_reference: str | None = None
    reversed_amount: int = 0
    reversals: tuple[Reversal, ...] = ()


class FundingSlice(msgspec.Struct, frozen=True, gc=False):
    """`amount` that a refund took from `account`, of the lot of `capture_id` where that is the pending one."""

    account: MerchantAccount
    capture_id: UUID | None
    amount: int


class Refund(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One refund, and which of the merchant's money pays for it."""

    id: UUID
    operation_id: UUID
    amount: int
    reason: str | None
    funding: tuple[FundingSlice, ...]
    refund_fee: int
    status: Literal["processing", "refunded", "failed", "reversed"]
    created_at: int
    refunded_at: int | None = None


class Lot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is left of a capture's money in `merchant_pending`; negative where fees outweigh it.

    From `available` on the lot is empty and its money is merged with all other available money.
    """

    rest: int
    available: bool = False


class LateSuccess(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A success that came after a negative was told: `attempt_id` and its references say what has to be undone.

    `reversal_attempt_id` is the newest attempt to do so, `reversed` whether one succeeded. `psp_fee` is what the PSP
    named as its fee for it.
    """

    attempt_id: UUID
    operation_id: UUID
    kind: Literal["hold", "charge"]
    amount: int
    psp: str
    psp_account: str
    psp_reference: str | None
    psp_operation_reference: str | None
    our_reference: str
    psp_fee: PspFee | None = None
    reversal_attempt_id: UUID | None = None
    reversed: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A question for a person: what became of `exposure`, at stake in an attempt."""

    id: UUID
    attempt_id: UUID
    exposure: int
    reason: str
    opened_at: int


class PaymentIntent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment intent; `version` 0 is one that does not exist.

    `captured` and `fee_charged` are gross of what the PSP took back (`captured_reversed`, `fee_returned_on_reversals`);
    `refunded` is net of refunds that came back. `created_by` is the operation of its creation.
    """

    id: UUID = _NOBODY
    version: int = 0
    merchant_id: UUID = _NOBODY
    livemode: bool = False
    amount: int = 0
    currency: str = ""
    exponent: int = 0
    capture_method: CaptureMethod = "manual"
    reference: str | None = None
    statement_descriptor: str | None = None
    metadata: Mapping[str, str] = {}
    return_url: str | None = None
    fee_plan: IntentFeePlan = _NO_PLAN
    settlement_delay_s: int = 0
    created_at: int = 0
    created_by: UUID | None = None

    operations: Mapping[UUID, Operation] = {}
    attempts: Mapping[UUID, Attempt] = {}
    captures: Mapping[UUID, Capture] = {}
    refunds: Mapping[UUID, Refund] = {}
    lots: Mapping[UUID, Lot] = {}
    late_successes: Mapping[UUID, LateSuccess] = {}
    open_cases: Mapping[UUID, Case] = {}

    authorization: Authorization | None = None
    expires_at: int | None = None
    authorizations_requested: int = 0
    open_authorization: UUID | None = None
    open_cancellation: UUID | None = None
    payment_method: PaymentMethod | None = None
    last_decline: Decline | None = None

    authorized: int = 0
    released: int = 0
    captured: int = 0
    capture_pending: int = 0
    captured_reversed: int = 0
    refunded: int = 0
    refund_pending: int = 0
    percent_charged: int = 0
    fee_charged: int = 0
    fee_returned_on_refunds: int = 0
    fee_returned_on_reversals: int = 0

    captured_at: int | None = None
    refunded_at: int | None = None
    canceled_at: int | None = None
    expired_at: int | None = None

    @property
    def exists(self) -> bool:
        """Whether it was created."""
        return self.version > 0

    @property
    def status(self) -> PaymentIntentStatus:
        """The status word; in `status.py`, the first match wins."""
        return derive_status(self)

    @property
    def uncaptured(self) -> int:
        """The hold that is left, captures on their way included."""
        return caps.uncaptured(self)

    @property
    def capturable(self) -> int:
        """What a capture may ask for now (`caps.py`)."""
        return caps.capturable(self)

    @property
    def final_capture_pending(self) -> bool:
        """Whether a capture is on its way that releases the rest of the hold."""
        return caps.final_capture_pending(self)

    @property
    def captured_net(self) -> int:
        """What was captured and not taken back by the PSP."""
        return caps.captured_net(self)

    @property
    def refundable(self) -> int:
        """What a refund may ask for now (`caps.py`)."""
        return caps.refundable(self)

    @property
    def late_success(self) -> LateSuccess | None:
        """The oldest late success that still has to be reversed."""
        return next((late for late in self.late_successes.values() if not late.reversed), None)

    def case_of(self, attempt_id: UUID) -> Case | None:
        """The open case about an attempt."""
        return next((case for case in self.open_cases.values() if case.attempt_id == attempt_id), None)
