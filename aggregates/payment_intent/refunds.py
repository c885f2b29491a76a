"""Refunds: captured money goes back to the payer; it may fail, or come back later."""

from typing import Final

from aggregates.payment_intent.cases import check_belongs, contradiction
from aggregates.payment_intent.commands import PspOutcome, RecordRefundReversal, RequestRefund
from aggregates.payment_intent.fees import fee_returned_on_refund
from aggregates.payment_intent.funding import funding_of_refund, restored_by
from aggregates.payment_intent.state import PaymentIntent, Refund
from schemas.errors import InvalidState, NotFound, OperationInProgress, RefundExceedsCaptured, TooManyOperations
from schemas.events import Event, PaymentRefunded, RefundFailed, RefundRequested, RefundReversed

MAX_REFUNDS: Final = 100
_MAY_BE_REFUNDED: Final = ("captured", "partially_captured", "partially_refunded")


def request_refund(command: RequestRefund, state: PaymentIntent) -> list[Event]:
    """Give back an amount, or with null all that is left. Its funding is decided now and kept in the event.

    Raises:
        InvalidState: nothing was captured, or all of it is refunded or taken back.
        TooManyOperations: it has a hundred refunds.
        OperationInProgress: all is asked for, and all is on its way in other refunds.
        RefundExceedsCaptured: more than captured − reversed − refunded − refunds on their way.
    """
    available = state.refundable
    if state.authorization is None or (not available and not state.refund_pending):
        status = state.status
        raise InvalidState(
            f"A payment intent that is {status} has nothing to refund.", current=status, allowed=list(_MAY_BE_REFUNDED)
        )
    if len(state.refunds) >= MAX_REFUNDS:
        raise TooManyOperations(f"A payment intent has at most {MAX_REFUNDS} refunds.")
    if command.amount is None and not available:
        raise OperationInProgress("All that is left is on its way in refunds that have not ended yet.")
    amount = available if command.amount is None else command.amount
    assert amount > 0, "the edge refuses amounts below 1"
    if amount > available:
        raise RefundExceedsCaptured(requested=amount, available=available)
    return [
        RefundRequested(
            operation_id=command.operation_id,
            refund_id=command.refund_id,
            psp=state.authorization.psp,
            amount=amount,
            reason=command.reason,
            funding=funding_of_refund(state, amount),
            refund_fee=state.fee_plan.refund_fee,
        )
    ]


def refunded(outcome: PspOutcome, state: PaymentIntent, refund: Refund) -> list[Event]:
    """The money went back; the platform charges its fee for that, and gives back its share where the plan says so."""
    return [
        PaymentRefunded(
            result=outcome.result,
            refund_id=refund.id,
            amount=refund.amount,
            refund_fee=refund.refund_fee,
            platform_fee_returned=fee_returned_on_refund(state, refund.amount),
            psp_fee=outcome.fee,
            arn=outcome.arn,
        )
    ]


def refund_failed(outcome: PspOutcome, state: PaymentIntent, refund: Refund) -> list[Event]:
    """The PSP would not refund: the merchant has its money back where it was taken."""
    assert outcome.decline is not None
    return [
        RefundFailed(
            result=outcome.result,
            decline=outcome.decline,
            refund_id=refund.id,
            amount=refund.amount,
            restored=restored_by(state, refund),
        )
    ]


def reverse_refund(command: RecordRefundReversal, state: PaymentIntent) -> list[Event]:
    """A refund came back whole. Fees that it cost or returned stand; a later refund does not return them twice.

    One that concerns a refund which was told to have failed, or that another PSP tells than the one that refunded, is
    a case for a person.

    Raises:
        NotFound: no such refund.
        InvalidState: its outcome is not known yet; ask again when it is.
    """
    refund = state.refunds.get(command.refund_id)
    if refund is None:
        raise NotFound("This payment intent has no such refund.")
    if refund.status == "processing":
        raise InvalidState("The refund has not ended yet.", current=state.status, allowed=[])
    # Nothing of a refund is ever undone, so no attempt follows the one that ended it.
    (attempt_id,) = state.operations[refund.operation_id].attempts
    attempt, result = state.attempts[attempt_id], command.result
    check_belongs(result, attempt)
    told = ("refund_reversal", result.psp)
    if result.psp != attempt.psp:
        return contradiction(state, attempt, told, exposure=refund.amount, reason="psp_mismatch")
    match refund.status:
        case "reversed":
            return []
        case "failed":
            return contradiction(state, attempt, told, exposure=refund.amount, reason="reversal_of_failed_refund")
        case "refunded":
            return [
                RefundReversed(
                    result=command.result,
                    decline=command.decline,
                    refund_id=refund.id,
                    amount=refund.amount,
                    restored=restored_by(state, refund),
                )
            ]
