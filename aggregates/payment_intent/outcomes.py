"""A PSP's definitive answers, whenever they come: what each means is decided here, once.

| the attempt | yes | no |
|---|---|---|
| has no answer yet | the operation succeeds | the operation fails |
| succeeded | the same again: nothing; another payment at the PSP: a case | a case |
| failed | a late success; another one at the PSP: a case | nothing, but after an unreversed late success a case |

Whatever another PSP says than the one that was asked is a case. What is older than what the log knows ends nothing (ADR 14): a
yes that was asked for before the attempt was to be undone, and a "never sent" once a call may have left.
"""

from aggregates.payment_intent.authorizations import authorized, declined
from aggregates.payment_intent.cancellations import cancellation_failed, voided
from aggregates.payment_intent.captures import capture_failed, capture_succeeded
from aggregates.payment_intent.cases import check_belongs, contradiction, same_payment
from aggregates.payment_intent.commands import PspOutcome, RecordOutcome
from aggregates.payment_intent.late_successes import reversal_outcome, success_after_negative
from aggregates.payment_intent.refunds import refund_failed, refunded
from aggregates.payment_intent.state import Attempt, PaymentIntent
from schemas.errors import NotFound
from schemas.events import Event


def record_outcome(command: RecordOutcome, state: PaymentIntent) -> list[Event]:
    """What a definitive answer means now; the same answer again means nothing.

    Raises:
        NotFound: no such attempt.
    """
    attempt = state.attempts.get(command.attempt_id)
    if attempt is None:
        raise NotFound("This payment intent has no such attempt.")
    outcome = command.outcome
    check_belongs(outcome.result, attempt)
    assert outcome.approved == (outcome.decline is None), "an answer is a yes or says why not"
    if outcome.result.psp != attempt.psp:
        exposure = max(outcome.amount, attempt.amount)
        return contradiction(state, attempt, outcome.words, exposure=exposure, reason="psp_mismatch")
    if _is_overtaken(outcome, attempt):
        return []
    match attempt.status:
        case "processing" | "unknown":
            return _first_answer(command, state, attempt)
        case "succeeded":
            return _after_success(command, state, attempt)
        case "failed" if outcome.approved:
            return success_after_negative(command, state, attempt)
        case "failed":
            return _negative_after_negative(command, state, attempt)


def _is_overtaken(outcome: PspOutcome, attempt: Attempt) -> bool:
    """Whether an answer is older than what the log knows, so that it may not be true any more.

    That a late success is undone stays true for ever. "Never sent" is no PSP's word and contradicts none.
    """
    if not outcome.approved:
        return outcome.never_sent and attempt.status != "processing"
    if not attempt.open or attempt.operation == "reversal" or attempt.given_up_at is None:
        return False
    return outcome.result.tries <= attempt.given_up_at


def _first_answer(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    if attempt.operation == "reversal":
        return reversal_outcome(command, state, attempt)
    outcome = command.outcome
    # What a void releases is known to us; PSPs need not repeat it.
    if outcome.approved and outcome.amount != attempt.amount and attempt.operation != "void":
        exposure = max(outcome.amount, attempt.amount)
        return contradiction(state, attempt, outcome.words, exposure=exposure, reason="amount_mismatch")
    return _succeeded(command, state, attempt) if outcome.approved else _failed(command, state, attempt)


def _succeeded(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    operation = state.operations[attempt.operation_id]
    kind = operation.kind
    assert kind != "reversal", "no operation of a merchant is a reversal"
    match kind:
        case "authorize":
            return authorized(command, state, operation)
        case "capture":
            assert operation.capture_id is not None
            return capture_succeeded(command, state, state.captures[operation.capture_id])
        case "refund":
            assert operation.refund_id is not None
            return refunded(command.outcome, state, state.refunds[operation.refund_id])
        case "void":
            return voided(command.outcome, state, operation)


def _failed(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    operation = state.operations[attempt.operation_id]
    kind = operation.kind
    assert kind != "reversal", "no operation of a merchant is a reversal"
    match kind:
        case "authorize":
            return declined(command.outcome)
        case "capture":
            return capture_failed(command, state, operation)
        case "refund":
            assert operation.refund_id is not None
            return refund_failed(command.outcome, state, state.refunds[operation.refund_id])
        case "void":
            return cancellation_failed(command.outcome, state, operation)


def _after_success(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    outcome = command.outcome
    amount = outcome.amount if attempt.operation == "void" else attempt.amount
    if outcome.approved and same_payment(outcome, attempt, amount=amount):
        return []
    reason = "second_success_differs" if outcome.approved else "negative_after_success"
    return contradiction(state, attempt, outcome.words, exposure=attempt.amount, reason=reason)


def _negative_after_negative(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    late = state.late_successes.get(attempt.id)
    if late is None or late.reversed or command.outcome.decline == attempt.decline:
        return []
    words = command.outcome.words
    return contradiction(state, attempt, words, exposure=late.amount, reason="negative_after_late_success")
