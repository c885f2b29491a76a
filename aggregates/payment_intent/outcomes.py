"""A PSP's definitive answers, whenever they come: what each means is decided here, once.

| the attempt | yes | no |
|---|---|---|
| has no answer yet | the operation succeeds | the operation fails |
| succeeded | the same again: nothing; another payment at the PSP: a case | a case |
| failed | a late success | nothing, but after an unreversed late success a case |
"""

from aggregates.payment_intent.authorizations import authorized, declined
from aggregates.payment_intent.cancellations import cancellation_failed, voided
from aggregates.payment_intent.captures import capture_failed, capture_succeeded
from aggregates.payment_intent.cases import contradiction
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
    assert outcome.result.attempt_id == attempt.id, "an answer belongs to its attempt"
    assert outcome.result.operation_id == attempt.operation_id, "an answer belongs to its operation"
    assert outcome.approved == (outcome.decline is None), "an answer is a yes or says why not"
    match attempt.status:
        case "processing" | "unknown":
            return _first_answer(command, state, attempt)
        case "succeeded":
            return _after_success(command, state, attempt)
        case "failed" if outcome.approved:
            return success_after_negative(command, state, attempt)
        case "failed":
            return _negative_after_negative(command, state, attempt)


def _first_answer(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    if attempt.operation == "reversal":
        return reversal_outcome(command, state, attempt)
    outcome = command.outcome
    # What a void releases is known to us; PSPs need not repeat it.
    if outcome.approved and outcome.amount != attempt.amount and attempt.operation != "void":
        return contradiction(
            state,
            attempt_id=attempt.id,
            case_id=command.case_id,
            exposure=max(outcome.amount, attempt.amount),
            reason="amount_mismatch",
        )
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
            return declined(command.outcome, state)
        case "capture":
            return capture_failed(command, state, operation)
        case "refund":
            assert operation.refund_id is not None
            return refund_failed(command.outcome, state, state.refunds[operation.refund_id])
        case "void":
            return cancellation_failed(command.outcome, state, operation)


def _after_success(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    outcome = command.outcome
    if outcome.approved and _same_payment(outcome, attempt):
        return []
    return contradiction(
        state,
        attempt_id=attempt.id,
        case_id=command.case_id,
        exposure=attempt.amount,
        reason="second_success_differs" if outcome.approved else "negative_after_success",
    )


def _same_payment(outcome: PspOutcome, attempt: Attempt) -> bool:
    told = outcome.result
    pairs = (
        (told.psp_reference, attempt.psp_reference),
        (told.psp_operation_reference, attempt.psp_operation_reference),
    )
    same_amount = outcome.amount == attempt.amount or attempt.operation == "void"
    return same_amount and all(new is None or known is None or new == known for new, known in pairs)


def _negative_after_negative(command: RecordOutcome, state: PaymentIntent, attempt: Attempt) -> list[Event]:
    late = state.late_successes.get(attempt.id)
    if late is None or late.reversed or command.outcome.decline == attempt.decline:
        return []
    return contradiction(
        state,
        attempt_id=attempt.id,
        case_id=command.case_id,
        exposure=late.amount,
        reason="negative_after_late_success",
    )
