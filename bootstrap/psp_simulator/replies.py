"""Answers as bytes: the operation as the wire shows it, and how an answer is (not) delivered."""

import hashlib
from enum import Enum

import msgspec

from bootstrap.psp_simulator.book import Operation
from bootstrap.psp_simulator.clock import rfc3339
from bootstrap.psp_simulator.declines import DECLINES, Decline
from bootstrap.psp_simulator.problems import ProblemError
from bootstrap.psp_simulator.scenarios import Kind

_ID_PREFIX: dict[str, str] = {"payment": "pay", "capture": "cap", "refund": "ref", "void": "voi", "reversal": "rev"}


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """One shape for payment, capture, refund and void; what does not apply is null, never missing."""

    id: str
    operation: Kind
    payment_id: str
    reference: str
    status: str
    amount: int
    currency: str
    approval_code: str | None
    network_reference: str | None
    capture_before: str | None
    fee: int | None
    decline: Decline | None
    action: None
    final: bool | None
    amount_captured: int | None
    amount_refunded: int | None
    amount_released: int | None
    processed_at: str | None


class ReversalView(msgspec.Struct, frozen=True, kw_only=True):
    """What a reversal found and did; `reference` is the target's, `fee` is negative where it was given back."""

    id: str
    operation: str = "reversal"
    reference: str
    status: str
    target: Kind | None
    amount: int
    currency: str | None
    fee: int
    processed_at: str


class Delivery(Enum):
    """How an answer reaches its caller."""

    WHOLE = "sent"
    SILENT = "the socket is held, then closed"
    RESET = "the TCP connection is reset"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to send, and to replay for its key; status 0 with no body: nothing is answered, and nothing kept."""

    status: int
    body: bytes
    delivery: Delivery = Delivery.WHOLE
    replayed: bool = False


class Delay(msgspec.Struct, frozen=True):
    """Nothing was done yet: ask again in so many simulated milliseconds."""

    duration_ms: int


def identifier(kind: str, reference: str) -> str:
    """The PSP's id of an operation: references are unique, so it needs no chance."""
    digest = hashlib.sha256(f"{kind}\0{reference}".encode()).hexdigest()
    return f"{_ID_PREFIX[kind]}_{digest[:24]}"


def _digits(operation: Operation, purpose: str, count: int) -> str:
    digest = hashlib.sha256(f"{purpose}\0{operation.id}".encode()).digest()
    return str(int.from_bytes(digest[:8], "big")).zfill(20)[-count:]


def view(operation: Operation) -> OperationView:
    """The operation as it is now."""
    is_payment, is_capture = operation.kind == "payment", operation.kind == "capture"
    approved = operation.status not in {"pending", "declined"}
    return OperationView(
        id=operation.id,
        operation=operation.kind,
        payment_id=operation.payment_id,
        reference=operation.reference,
        status=operation.status,
        amount=operation.amount,
        currency=operation.currency,
        approval_code=_digits(operation, "approval", 6) if is_payment and approved else None,
        network_reference=_digits(operation, "network", 15) if approved else None,
        capture_before=None if operation.capture_before_ms is None else rfc3339(operation.capture_before_ms),
        fee=operation.fee,
        decline=None if operation.decline is None else DECLINES[operation.decline],
        action=None,
        final=operation.final if is_capture else None,
        amount_captured=operation.captured if is_payment else None,
        amount_refunded=operation.refunded if is_payment else None,
        amount_released=operation.released if operation.kind != "refund" else None,
        processed_at=None if operation.processed_ms is None else rfc3339(operation.processed_ms),
    )


def of_operation(operation: Operation) -> Reply:
    """200 with the operation, 202 while it is pending."""
    return Reply(status=202 if operation.status == "pending" else 200, body=msgspec.json.encode(view(operation)))


def of_problem(problem: ProblemError) -> Reply:
    """The problem as an answer that is kept for its key."""
    return Reply(status=problem.status, body=problem.body())
