"""What an operation does to its payment's money: laid hand on, carried out, given up, or undone.

Nothing here writes; the callers save the payment and the operation (the same object for a payment).
"""

from typing import Literal

import msgspec

from bootstrap.psp_simulator.book import Operation
from bootstrap.psp_simulator.clock import DAY_MS
from bootstrap.psp_simulator.problems import ProblemError

HOLD_MS = 7 * DAY_MS
DONE = {"capture": "captured", "refund": "refunded", "void": "voided"}


def fee_of_capture(amount: int) -> int:
    """1.1 % of the amount in minor units, rounded half up."""
    return (amount * 11 + 500) // 1000


def reserve(payment: Operation, operation: Operation) -> None:
    """Lay the operation's hand on the payment's money, so that no other can take it meanwhile."""
    match operation.kind:
        case "payment":
            pass
        case "capture":
            payment.capture_pending += operation.amount
            operation.released = payment.capturable if operation.final else 0
            payment.release_pending += operation.released
        case "refund":
            payment.refund_pending += operation.amount
        case "void":
            operation.released = operation.amount
            payment.release_pending += operation.amount


def give_up(payment: Operation, operation: Operation) -> None:
    """Take the hand off again."""
    match operation.kind:
        case "payment":
            pass
        case "capture":
            payment.capture_pending -= operation.amount
            payment.release_pending -= operation.released
            operation.released = 0
        case "refund":
            payment.refund_pending -= operation.amount
        case "void":
            payment.release_pending -= operation.released
            operation.released = 0


def carry_out(payment: Operation, operation: Operation, at_ms: int) -> None:
    """Turn what was reserved into what is done."""
    operation.due_ms, operation.processed_ms, operation.fee = None, at_ms, 0
    match operation.kind:
        case "payment":
            payment.authorized = payment.amount
            if payment.sale:
                payment.captured, payment.fee, payment.status = (
                    payment.amount,
                    fee_of_capture(payment.amount),
                    "captured",
                )
            else:
                payment.capture_before_ms, payment.status = at_ms + HOLD_MS, "authorized"
        case "capture":
            payment.capture_pending -= operation.amount
            payment.captured += operation.amount
            payment.release_pending -= operation.released
            payment.released += operation.released
            operation.fee, operation.status = fee_of_capture(operation.amount), DONE["capture"]
        case "refund":
            payment.refund_pending -= operation.amount
            payment.refunded += operation.amount
            operation.status = DONE["refund"]
        case "void":
            payment.release_pending -= operation.released
            payment.released += operation.released
            operation.status = DONE["void"]


def decline(payment: Operation, operation: Operation, code: str, at_ms: int) -> None:
    """Give up, for the reason that the code names."""
    give_up(payment, operation)
    operation.due_ms, operation.processed_ms, operation.fee = None, at_ms, 0
    operation.status, operation.decline = "declined", code


class Undone(msgspec.Struct, frozen=True):
    """What a reversal did: minor units given back or let go, and the fee returned with them."""

    result: Literal["voided", "refunded", "not_needed"]
    amount: int = 0
    fee: int = 0


def undo(payment: Operation, operation: Operation) -> Undone:
    """Make the operation as if it had never been, and return what that took.

    Raises:
        ProblemError: 409 `invalid_state` when later operations rest on this one.
    """
    if operation.status == "pending":
        give_up(payment, operation)
        undone = Undone("voided", operation.amount)
    elif operation.status == "authorized":
        undone = _let_go(payment)
    elif operation.status == "captured" and operation.kind == "payment":
        undone = _give_back(payment)
    elif operation.status == "captured":
        undone = _uncapture(payment, operation)
    elif operation.status == "refunded":
        payment.refunded -= operation.amount
        undone = Undone("voided", operation.amount)
    elif operation.status == "voided":
        payment.released -= operation.released
        undone = Undone("voided", operation.released)
    else:
        undone = Undone("not_needed")
    if undone.result != "not_needed":
        operation.status, operation.due_ms = "reversed", None
    return undone


def _let_go(payment: Operation) -> Undone:
    if payment.captured or payment.capture_pending:
        raise ProblemError(409, "invalid_state", "The authorization has captures; reverse those.", state=payment.status)
    held = payment.capturable
    payment.released += held
    return Undone("voided", held) if held else Undone("not_needed")


def _give_back(payment: Operation) -> Undone:
    rest = payment.refundable
    payment.refunded += rest
    return Undone("refunded", rest, -(payment.fee or 0)) if rest else Undone("not_needed")


def _uncapture(payment: Operation, capture: Operation) -> Undone:
    if payment.refundable < capture.amount:
        raise ProblemError(409, "invalid_state", "The captured money was refunded meanwhile.", state=payment.status)
    payment.captured -= capture.amount
    payment.released -= capture.released
    return Undone("refunded", capture.amount, -(capture.fee or 0))
