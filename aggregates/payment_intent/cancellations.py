"""Cancellations: what is neither captured nor released goes back to the payer."""

from typing import Final

from aggregates.payment_intent.commands import PspOutcome, RequestCancellation
from aggregates.payment_intent.state import Operation, PaymentIntent
from aggregates.payment_intent.timers import released_by_failure
from schemas.errors import InvalidState, OperationInProgress
from schemas.events import (
    AuthorizationVoided,
    CancellationFailed,
    CancellationRequested,
    Event,
    PaymentCanceled,
)

_MAY_BE_CANCELED: Final = ("created", "declined", "authorized", "partially_captured", "partially_refunded")
_NEVER_AUTHORIZED: Final = ("created", "declined")


def request_cancellation(command: RequestCancellation, state: PaymentIntent) -> list[Event]:
    """Release the rest, or end at once what was never authorized: that asks no PSP, so it is one event, and the
    operation is known by the event's correlation id.

    Raises:
        OperationInProgress: an authorization, a capture or another cancellation has not ended.
        InvalidState: it has ended, or all is captured.
    """
    if state.open_authorization is not None:
        raise OperationInProgress("An authorization of this payment intent has not ended yet.")
    if state.open_cancellation is not None:
        raise OperationInProgress("Another cancellation of this payment intent has not ended yet.")
    if state.capture_pending:
        raise OperationInProgress("A capture of this payment intent has not ended yet.")
    status = state.status
    if status in _NEVER_AUTHORIZED:
        return [PaymentCanceled(reason=command.reason)]
    if not state.uncaptured:
        raise InvalidState(
            f"A payment intent that is {status} has nothing to release.",
            current=status,
            allowed=list(_MAY_BE_CANCELED),
        )
    return [CancellationRequested(operation_id=command.operation_id, amount=state.uncaptured, reason=command.reason)]


def voided(outcome: PspOutcome, state: PaymentIntent, operation: Operation) -> list[Event]:
    """The hold is gone; with nothing ever captured the intent has ended."""
    reason = operation.reason or ""
    released = AuthorizationVoided(result=outcome.result, amount_released=operation.amount, reason=reason)
    return [released] if state.captured else [released, PaymentCanceled(reason=reason)]


def cancellation_failed(outcome: PspOutcome, state: PaymentIntent, operation: Operation) -> list[Event]:
    """The PSP would not release. If the hold ran out meanwhile, what the cancellation had kept from expiring goes."""
    assert outcome.decline is not None
    failed = CancellationFailed(result=outcome.result, decline=outcome.decline)
    return [failed, *released_by_failure(outcome, state, operation.amount)]
