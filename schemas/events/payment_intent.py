"""A payment intent's creation and its authorization: `PaymentIntentCreated` … `AuthorizationExpired`."""

from typing import Literal
from uuid import UUID

import msgspec

from schemas.events.fees import IntentFeePlan
from schemas.events.psp import CardFacts, Decline, PspFee, PspResult, Source

CaptureMethod = Literal["automatic", "manual"]
AuthorizationKind = Literal["hold", "sale"]
PaymentMethodType = Literal["card", "upi", "wallet", "netbanking"]
PspOperation = Literal["authorize", "capture", "refund", "void", "reversal"]


class PaymentMethod(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the payer pays. `token_ref` is the PSP's token; `brand` the card network, wallet provider or bank code.

    `payer_ref` (a keyed hash) and `mask` stand for personal data that no event may hold in clear.
    """

    type: PaymentMethodType
    token_ref: str | None
    brand: str | None
    last4: str | None
    payer_ref: str | None
    mask: str | None


class PaymentIntentCreated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A merchant means to be paid `amount` minor units; everything later decisions need is kept with it.

    `exponent` is the currency's decimals; `settlement_delay_s` how many seconds after a capture its funds wait.
    """

    amount: int
    currency: str
    exponent: int
    capture_method: CaptureMethod
    reference: str | None
    statement_descriptor: str | None
    metadata: dict[str, str]
    return_url: str | None
    fee_plan: IntentFeePlan
    settlement_delay_s: int


class AuthorizationRequested(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The intent's money is to be held (`hold`) or taken at once (`sale`, which names its `capture_id`)."""

    operation_id: UUID
    kind: AuthorizationKind
    amount: int
    payment_method: PaymentMethod
    initiator: Literal["cit", "mit"]
    capture_id: UUID | None


class PspAttemptStarted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A PSP is about to be called; written first, so that no call is ever made that the log does not know.

    `amount` is in our minor units, `psp_amount` the same money in the PSP's, with `psp_exponent` decimals.
    `request_sha256` is lower-case hex over what is sent.
    """

    attempt_id: UUID
    operation_id: UUID
    operation: PspOperation
    psp: str
    psp_account: str
    psp_idempotency_key: str
    our_reference: str
    amount: int
    currency: str
    psp_amount: int
    psp_exponent: int
    attempt_no: int
    route_reason: str
    request_sha256: str


class PaymentAuthorized(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PSP holds `amount_authorized` until `expires_at` (Unix ms; null where it did not say)."""

    result: PspResult
    amount_authorized: int
    expires_at: int | None
    approval_code: str | None
    avs: str | None
    cvc_result: str | None
    eci: str | None
    liability_shift: bool | None
    card: CardFacts | None


class AuthorizationDeclined(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A definitive no to an authorization; `psp_fee` is what the PSP charges for saying so, null for nothing."""

    result: PspResult
    decline: Decline
    psp_fee: PspFee | None


class CancellationRequested(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` minor units, all that is neither captured nor released, are to be given back to the payer."""

    operation_id: UUID
    amount: int
    reason: str


class CancellationFailed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PSP would not release the hold."""

    result: PspResult
    decline: Decline


class AuthorizationVoided(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount_released` minor units of the hold were given back."""

    result: PspResult
    amount_released: int
    reason: str


class AuthorizationExpired(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The hold ran out at `expires_at` (Unix ms) with `amount_released` neither captured nor pending."""

    amount_released: int
    expires_at: int
    confirmed_by: Source


class PaymentCanceled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The intent ended with nothing captured."""

    reason: str
