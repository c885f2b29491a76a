"""A PSP as its operator sees it: how long each call took and what came of it, and the call in its payment's trace."""

from collections.abc import Awaitable
from time import perf_counter
from typing import Final, TypeVar

from opentelemetry.trace import SpanKind
from prometheus_client import Histogram

from event_store.tracing import TRACING
from processors.psp.provider import (
    Answer,
    AuthorizeOrder,
    CaptureOrder,
    Inquiry,
    InquiryReply,
    NotFound,
    NotProcessed,
    OrderReply,
    PaymentServiceProvider,
    Pending,
    RefundOrder,
    ReversalOrder,
    ReversalReply,
    Undone,
    Unknown,
    VoidOrder,
)

Reply = TypeVar("Reply", OrderReply, InquiryReply, ReversalReply)

CALL_SECONDS: Final = Histogram(
    "guilder_psp_call_seconds",
    "How long a call of a PSP took, by what came of it.",
    ["psp", "operation", "result"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)
ERRORS: Final = ("not_processed", "unknown")
"""The results that are the PSP's failing to do its work, whatever it would have said."""


def result_of(reply: OrderReply | InquiryReply | ReversalReply) -> str:
    """One word for a reply, few enough for a label."""
    match reply:
        case Answer(approved=True):
            return "approved"
        case Answer():
            return "declined"
        case Undone():
            return "undone"
        case Pending():
            return "pending"
        case NotFound():
            return "not_found"
        case NotProcessed(retryable=False):
            return "refused"
        case NotProcessed():
            return "not_processed"
        case Unknown():
            return "unknown"


class ObservedPsp:
    """The provider `psp`, called by `name`."""

    def __init__(self, psp: PaymentServiceProvider, name: str) -> None:
        self._psp = psp
        self._name = name

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        return await self._called("authorize", order.reference, self._psp.authorize(order))

    async def capture(self, order: CaptureOrder) -> OrderReply:
        return await self._called("capture", order.reference, self._psp.capture(order))

    async def refund(self, order: RefundOrder) -> OrderReply:
        return await self._called("refund", order.reference, self._psp.refund(order))

    async def void(self, order: VoidOrder) -> OrderReply:
        return await self._called("void", order.reference, self._psp.void(order))

    async def inquire(self, inquiry: Inquiry) -> InquiryReply:
        return await self._called("inquire", inquiry.reference, self._psp.inquire(inquiry))

    async def reverse(self, order: ReversalOrder) -> ReversalReply:
        return await self._called("reverse", order.reference, self._psp.reverse(order))

    async def close(self) -> None:
        await self._psp.close()

    async def _called(self, operation: str, reference: str, call: Awaitable[Reply]) -> Reply:
        began_s = perf_counter()
        attributes = {"psp": self._name, "attempt_id": reference}
        with TRACING.part(f"psp {operation}", attributes, SpanKind.CLIENT):
            reply = await call
            result = result_of(reply)
            TRACING.note(result=result)
        CALL_SECONDS.labels(self._name, operation, result).observe(perf_counter() - began_s)
        return reply
