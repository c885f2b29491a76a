"""Successes that came after a negative was told: nothing is resurrected, the money goes back, once.

A late hold is voided and posts nothing; a late charge lies in suspense until it is refunded. An intent may have
several (one for each of its attempts); each is undone on its own.
"""

from aggregates.payment_intent.cases import contradiction, same_payment
from aggregates.payment_intent.commands import RecordOutcome
from aggregates.payment_intent.state import Attempt, LateSuccess, Operation, PaymentIntent
from schemas.errors import InvalidState, OperationInProgress
from schemas.events import Event, LateSuccessReceived, LateSuccessReversed


def late_success_of(state: PaymentIntent, operation: Operation, our_reference: str) -> LateSuccess:
    """The late success of `operation` that a reversal with `our_reference` undoes.

    Raises:
        InvalidState: there is none left.
    """
    candidates = [late for late in state.late_successes.values() if late.operation_id == operation.id]
    named = next((late for late in candidates if late.our_reference == our_reference), None)
    late = named or next((late for late in candidates if not late.reversed), None)
    if late is None:
        raise InvalidState("There is no late success to reverse.", current=state.status, allowed=[])
    return late


def check_reversible(state: PaymentIntent, late: LateSuccess) -> None:
    """Raises:
    InvalidState: it was reversed; a second reversal would give the money twice.
    OperationInProgress: a reversal has no definitive answer yet.
    """
    if late.reversed:
        raise InvalidState("This late success was reversed already.", current=state.status, allowed=[])
    if late.reversal_attempt_id is not None and state.attempts[late.reversal_attempt_id].open:
        raise OperationInProgress("A reversal of this late success has no definitive answer yet.")


def success_after_negative(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    """An approval of an attempt that was told to have failed.

    Money taken in (a hold, a sale, a capture) is a late success. A refund or void that worked after all cannot be
    taken back by us: the merchant was told it failed and has its money, so a person has to look.
    """
    outcome, late = command.outcome, state.late_successes.get(attempt.id)
    operation = state.operations[attempt.operation_id]
    exposure = max(outcome.amount, attempt.amount)
    if late is not None:
        if same_payment(outcome, late, amount=late.amount):
            return []
        return contradiction(state, attempt, outcome.words, exposure=exposure, reason="second_success_differs")
    if attempt.operation not in {"authorize", "capture"}:
        reason = f"{attempt.operation}_succeeded_after_failure"
        return contradiction(state, attempt, outcome.words, exposure=attempt.amount, reason=reason)
    if outcome.amount != attempt.amount:
        return contradiction(state, attempt, outcome.words, exposure=exposure, reason="amount_mismatch")
    charge = attempt.operation == "capture" or operation.sale
    return [
        LateSuccessReceived(
            result=outcome.result,
            kind="charge" if charge else "hold",
            amount=attempt.amount,
            psp_fee=outcome.fee,
            told_status="declined" if attempt.operation == "authorize" else "failed",
        )
    ]


def reversal_outcome(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    """The PSP's answer to undoing a late success; a no, or another amount than was to go back, is a case."""
    assert attempt.reverses is not None, "a reversal names what it undoes"
    late = state.late_successes[attempt.reverses]
    outcome = command.outcome
    if not outcome.approved or outcome.amount != late.amount:
        reason = "reversal_refused" if not outcome.approved else "amount_mismatch"
        return contradiction(state, attempt, outcome.words, exposure=late.amount, reason=reason)
    return [
        LateSuccessReversed(
            result=outcome.result,
            via="void" if late.kind == "hold" else "refund",
            amount=late.amount,
            psp_fee=outcome.fee,
        )
    ]
