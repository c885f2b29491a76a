"""The public objects, as HTTP answers spell them: every field always present, absent values null.

Times are RFC 3339 in UTC with milliseconds, amounts minor units, ids public. One object has one renderer: an
aggregate's `resource`, which both the command API and the read models use.
"""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

Item = TypeVar("Item")

PaymentIntentStatus = Literal[
    "created",
    "processing",
    "requires_action",
    "authorized",
    "declined",
    "partially_captured",
    "captured",
    "partially_refunded",
    "refunded",
    "canceled",
    "expired",
    "failed",
]
MovementStatus = Literal["processing", "succeeded", "failed", "reversed"]


class PaymentMethodResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the payer paid, with nothing that could be charged or would name the payer."""

    type: str
    brand: str | None
    last4: str | None


class PaymentErrorResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why the last authorization was declined; a decline is an answer, not an error of the request."""

    code: str
    category: str
    network_code: str | None
    advice_code: str | None
    retryable: bool


class NextActionResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the payer has to do next, such as 3-D Secure at `url`."""

    type: str
    url: str


class CaptureResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One capture of a payment intent."""

    id: str
    amount: int
    final: bool
    status: MovementStatus
    created_at: str
    captured_at: str | None
    available_on: str | None
    platform_fee: int | None
    psp_fee: int | None


class RefundResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One refund of a payment intent."""

    id: str
    object: Literal["refund"] = "refund"
    payment_intent_id: str
    amount: int
    status: Literal["processing", "refunded", "failed", "reversed"]
    reason: str | None
    created_at: str
    refunded_at: str | None


class AttemptResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a PSP, by our reference for it."""

    id: str
    operation: str
    psp: str
    status: Literal["processing", "unknown", "succeeded", "failed"]
    psp_reference: str | None
    started_at: str
    ended_at: str | None


class PaymentIntentResource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment intent, whole."""

    id: str
    object: Literal["payment_intent"] = "payment_intent"
    merchant_id: str
    livemode: bool
    status: PaymentIntentStatus
    amount: int
    currency: str
    capture_method: str
    amount_authorized: int
    amount_captured: int
    captured_amount: Annotated[int, msgspec.Meta(description="The same as `amount_captured`, under its older name.")]
    amount_refunded: int
    amount_released: int
    amount_capturable: int
    amount_capture_pending: int
    amount_refund_pending: int
    reference: str | None
    statement_descriptor: str | None
    metadata: dict[str, str]
    payment_method: PaymentMethodResource | None
    next_action: NextActionResource | None
    last_payment_error: PaymentErrorResource | None
    return_url: str | None
    captures: tuple[CaptureResource, ...]
    refunds: tuple[RefundResource, ...]
    attempts: tuple[AttemptResource, ...]
    created_at: str
    authorized_at: str | None
    captured_at: str | None
    refunded_at: str | None
    canceled_at: str | None
    expires_at: str | None
    version: int


class ListResource(msgspec.Struct, Generic[Item], frozen=True, kw_only=True, gc=False):
    """One page of a list; `next_cursor` is opaque and null on the last page."""

    object: Literal["list"] = "list"
    data: tuple[Item, ...]
    has_more: bool
    next_cursor: str | None


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bad field of a request."""

    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """RFC 9457; `code` is stable and `request_id` leads to the logs. Some codes add members, such as `available`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[FieldProblem, ...] | None = None
