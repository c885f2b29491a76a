"""What can be asked of a PSP and what can come back. Amounts are integers in the PSP's own minor units.

Every order carries `reference`, our attempt's public id, under which the PSP can be asked about it later, and an
`idempotency_key` that never changes between the calls of one attempt. What is no `Answer` settles nothing.
"""

from typing import Literal, Protocol

import msgspec

from schemas.events.payment_intent import PaymentMethod
from schemas.events.psp import CardFacts, Decline
from schemas.events.unknown_outcomes import UnknownCause

Asked = Literal["authorize", "capture", "refund", "void"]


class AuthorizeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Hold `amount`, or take it at once when `sale`."""

    reference: str
    idempotency_key: str
    amount: int
    currency: str
    sale: bool
    payment_method: PaymentMethod
    return_url: str | None


class CaptureOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Take `amount` of the hold `payment` (the PSP's id of it); `final` frees the rest."""

    reference: str
    idempotency_key: str
    payment: str
    amount: int
    currency: str
    final: bool


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Give `amount` of the captured payment `payment` back."""

    reference: str
    idempotency_key: str
    payment: str
    amount: int
    currency: str


class VoidOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Release all of the hold `payment` that is not captured, which by our books is `amount`."""

    reference: str
    idempotency_key: str
    payment: str
    amount: int
    currency: str


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of our `reference`, which asked for `operation` over `amount`?"""

    reference: str
    operation: Asked
    sale: bool
    amount: int
    currency: str


class ReversalOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Undo whatever stands under our `reference`, and let nothing arrive under it later."""

    reference: str
    idempotency_key: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The PSP said definitively what an operation is: approved, or a no with its `decline`.

    `processed_at` and `expires_at` are Unix ms by the PSP's clock; `fee` is what the PSP keeps, null where it did not
    say; `raw_sha256` is the hex SHA-256 of the answer's body. `captured` says how much of a hold has been captured by
    now, null where that was not told; `lapsed` that a hold ran out.
    """

    approved: bool
    amount: int
    currency: str
    psp_reference: str | None
    psp_operation_reference: str | None
    network_reference: str | None = None
    processed_at: int | None = None
    raw_sha256: str | None = None
    fee: int | None = None
    decline: Decline | None = None
    expires_at: int | None = None
    approval_code: str | None = None
    card: CardFacts | None = None
    captured: int | None = None
    lapsed: bool = False


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """The PSP has it and will know later; only an inquiry tells."""


class NotFound(msgspec.Struct, frozen=True, kw_only=True):
    """The PSP knows no such reference, yet: by itself this proves nothing (payments contract, section 1)."""


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """The PSP confirmed that the operation stands for nothing and never will; `how` is its word for it.

    `fee` is what the PSP keeps for undoing it, below zero where it gives back what the operation had cost; null where
    nothing stood that had to be undone, so that it keeps nothing of it at all.
    """

    how: str
    psp_operation_reference: str | None
    processed_at: int | None
    raw_sha256: str | None
    fee: int | None = None


class NotProcessed(msgspec.Struct, frozen=True, kw_only=True):
    """This one request did nothing: provably not sent, or refused by a status that the adapter lists.

    It says nothing of earlier requests under the same key. `retryable` may be sent again as it is, not before
    `retry_after_ms`; otherwise the PSP will never take it. `psp_code` is the PSP's word, or ours for "not sent".
    """

    psp_code: str
    http_status: int | None
    retryable: bool
    retry_after_ms: int = 0


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody knows what the PSP did."""

    cause: UnknownCause
    http_status: int | None = None


OrderReply = Answer | Pending | NotProcessed | Unknown
InquiryReply = Answer | Pending | NotFound | NotProcessed | Unknown
ReversalReply = Undone | Answer | NotProcessed | Unknown


class PaymentServiceProvider(Protocol):
    """One PSP account. No method raises for what a PSP or the network does: the reply says it.

    An operation's own answer comes back only if reference, operation, currency and amount are those of the order;
    anything else is `Unknown`. `reverse` answers `Undone`, or an `Answer` with a decline when the PSP refuses to.
    """

    async def authorize(self, order: AuthorizeOrder) -> OrderReply: ...

    async def capture(self, order: CaptureOrder) -> OrderReply: ...

    async def refund(self, order: RefundOrder) -> OrderReply: ...

    async def void(self, order: VoidOrder) -> OrderReply: ...

    async def inquire(self, inquiry: Inquiry) -> InquiryReply: ...

    async def reverse(self, order: ReversalOrder) -> ReversalReply: ...

    async def close(self) -> None:
        """Let go of connections; orders under way end as unknown."""
        ...
