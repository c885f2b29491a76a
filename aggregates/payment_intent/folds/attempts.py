"""Attempts, unknown outcomes, cases and late successes."""

from typing import Final

from msgspec.structs import replace

from aggregates.payment_intent.folds.changes import Changes, Fold, attempt_answered, with_item
from aggregates.payment_intent.late_successes import late_success_of
from aggregates.payment_intent.state import Attempt, Case, LateSuccess, PaymentIntent
from schemas.events import (
    LateSuccessReceived,
    LateSuccessReversed,
    ManualCaseOpened,
    PspAttemptStarted,
    PspOutcomeUnknown,
)
from schemas.events.unknown_outcomes import NextStep
from schemas.records import RecordedEvent

_GIVING_UP: Final[frozenset[NextStep]] = frozenset(("reversal", "manual_case"))


def _started(state: PaymentIntent, event: PspAttemptStarted, recorded: RecordedEvent) -> Changes:
    operation = state.operations[event.operation_id]
    reversal = event.operation == "reversal"
    late = late_success_of(state, operation, event.our_reference) if reversal else None
    attempt = Attempt(
        id=event.attempt_id,
        operation_id=event.operation_id,
        operation=event.operation,
        psp=event.psp,
        psp_account=event.psp_account,
        psp_idempotency_key=event.psp_idempotency_key,
        our_reference=event.our_reference,
        amount=event.amount,
        psp_amount=event.psp_amount,
        psp_exponent=event.psp_exponent,
        attempt_no=event.attempt_no,
        started_at=recorded.recorded_at,
        reverses=None if late is None else late.attempt_id,
    )
    changes: Changes = {
        "attempts": with_item(state.attempts, attempt.id, attempt),
        "operations": with_item(
            state.operations, operation.id, replace(operation, attempts=(*operation.attempts, attempt.id))
        ),
    }
    if late is not None:
        taken_up = replace(late, reversal_attempt_id=attempt.id)
        changes["late_successes"] = with_item(state.late_successes, late.attempt_id, taken_up)
    return changes


def _unknown(state: PaymentIntent, event: PspOutcomeUnknown, _recorded: RecordedEvent) -> Changes:
    known = state.attempts[event.attempt_id]
    attempt = replace(
        known,
        status="unknown",
        tries=event.tries,
        next_step=event.next_step,
        given_up_at=event.tries if event.next_step in _GIVING_UP else known.given_up_at,
    )
    return {"attempts": with_item(state.attempts, attempt.id, attempt)}


def _case_opened(state: PaymentIntent, event: ManualCaseOpened, recorded: RecordedEvent) -> Changes:
    case = Case(
        id=event.case_id,
        attempt_id=event.attempt_id,
        exposure=event.exposure,
        reason=event.reason,
        opened_at=recorded.recorded_at,
    )
    return {"open_cases": with_item(state.open_cases, case.id, case)}


def _late_success_received(state: PaymentIntent, event: LateSuccessReceived, _recorded: RecordedEvent) -> Changes:
    result = event.result
    late = LateSuccess(
        attempt_id=result.attempt_id,
        operation_id=result.operation_id,
        kind=event.kind,
        amount=event.amount,
        psp=result.psp,
        psp_account=result.psp_account,
        psp_reference=result.psp_reference,
        psp_operation_reference=result.psp_operation_reference,
        our_reference=state.attempts[result.attempt_id].our_reference,
        psp_fee=event.psp_fee,
    )
    # The attempt stays what the merchant was told: failed.
    return {"late_successes": with_item(state.late_successes, late.attempt_id, late)}


def _late_success_reversed(state: PaymentIntent, event: LateSuccessReversed, recorded: RecordedEvent) -> Changes:
    reversed_attempt = state.attempts[event.result.attempt_id].reverses
    assert reversed_attempt is not None, "the answer to a reversal belongs to an attempt that reverses"
    late = replace(state.late_successes[reversed_attempt], reversed=True)
    return {
        "late_successes": with_item(state.late_successes, late.attempt_id, late),
        **attempt_answered(state, event.result, recorded, "succeeded"),
    }


ATTEMPT_FOLDS: Final[dict[type, Fold]] = {
    PspAttemptStarted: _started,
    PspOutcomeUnknown: _unknown,
    ManualCaseOpened: _case_opened,
    LateSuccessReceived: _late_success_received,
    LateSuccessReversed: _late_success_reversed,
}
