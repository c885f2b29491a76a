"""Attempts: the calls of PSPs. Nothing is called that the log does not know, and nothing is called twice at a time."""

from aggregates.payment_intent.commands import RecordUnknown, StartAttempt
from aggregates.payment_intent.late_successes import check_reversible, late_success_of
from aggregates.payment_intent.state import Attempt, PaymentIntent
from schemas.errors import InvalidState, NotFound, OperationInProgress
from schemas.events import Event, PspAttemptStarted, PspOutcomeUnknown


def start_attempt(command: StartAttempt, state: PaymentIntent) -> list[Event]:
    """A PSP is about to be called. For an attempt that is known nothing happens: the caller goes on with the same key.

    An attempt does what its operation asks for, at the PSP that has the money once one has. One of operation `reversal`
    undoes a late success of the operation: the one whose `our_reference` it repeats, else the oldest that is left.

    Raises:
        NotFound: no such operation.
        InvalidState: the operation has ended or asks for something else, there is no late success to undo, or another
            PSP has the money: no call may be made.
        OperationInProgress: another attempt of the same has no definitive answer yet, so a call could double it.
    """
    if command.attempt_id in state.attempts:
        return []
    operation = state.operations.get(command.operation_id)
    if operation is None:
        raise NotFound("This payment intent has no such operation.")
    if command.operation == "reversal":
        late = late_success_of(state, operation, command.our_reference)
        check_reversible(state, late)
        _check_psp(command, state, late.psp)
        return [_started(command, state, late.amount)]
    if operation.ended_version is not None or command.operation != operation.kind:
        raise InvalidState(
            f"The operation to {operation.kind} does not wait for a PSP to {command.operation}.",
            current=state.status,
            allowed=[],
        )
    if operation.kind != "authorize":
        assert state.authorization is not None, "only what was authorized is captured, refunded or voided"
        _check_psp(command, state, state.authorization.psp)
    if operation.attempts:
        raise OperationInProgress("Another attempt of this operation has no definitive answer yet.")
    return [_started(command, state, operation.amount)]


def _check_psp(command: StartAttempt, state: PaymentIntent, holder: str) -> None:
    """The books of captures and refunds are kept by PSP (`RefundRequested.psp`); what one has, no other can move."""
    if command.psp != holder:
        raise InvalidState(f"The money is with {holder}, not with {command.psp}.", current=state.status, allowed=[])


def _started(command: StartAttempt, state: PaymentIntent, amount: int) -> PspAttemptStarted:
    return PspAttemptStarted(
        attempt_id=command.attempt_id,
        operation_id=command.operation_id,
        operation=command.operation,
        psp=command.psp,
        psp_account=command.psp_account,
        psp_idempotency_key=command.psp_idempotency_key,
        our_reference=command.our_reference,
        amount=amount,
        currency=state.currency,
        psp_amount=command.psp_amount,
        psp_exponent=command.psp_exponent,
        attempt_no=command.attempt_no,
        route_reason=command.route_reason,
        request_sha256=command.request_sha256,
    )


def record_unknown(command: RecordUnknown, state: PaymentIntent) -> list[Event]:
    """Nobody knows what the PSP did; the operation stays open. Old news, or the same again, changes nothing.

    Raises:
        NotFound: no such attempt.
    """
    attempt = state.attempts.get(command.attempt_id)
    if attempt is None:
        raise NotFound("This payment intent has no such attempt.")
    if not attempt.open or _already_told(command, attempt):
        return []
    return [
        PspOutcomeUnknown(
            operation_id=attempt.operation_id,
            attempt_id=attempt.id,
            cause=command.cause,
            http_status=command.http_status,
            tries=command.tries,
            exposure=attempt.amount,
            next_step=command.next_step,
            next_at=command.next_at,
        )
    ]


def _already_told(command: RecordUnknown, attempt: Attempt) -> bool:
    if command.tries < attempt.tries:
        return True
    return command.tries == attempt.tries and command.next_step == attempt.next_step
