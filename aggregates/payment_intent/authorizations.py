"""Authorizations: the payer's money is held, or taken at once (a sale)."""

from typing import Final

from aggregates.payment_intent.captures import captured
from aggregates.payment_intent.commands import PspOutcome, RecordOutcome, RequestAuthorization
from aggregates.payment_intent.state import Operation, PaymentIntent
from aggregates.payment_intent.status import MAX_AUTHORIZATIONS
from schemas.errors import AttemptsExhausted, InvalidState, OperationInProgress
from schemas.events import AuthorizationDeclined, AuthorizationRequested, Event, PaymentAuthorized
from schemas.events.payment_intent import CaptureMethod

_MAY_BE_AUTHORIZED: Final = ("created", "declined")


def authorization_requested(
    command: RequestAuthorization, amount: int, capture_method: CaptureMethod
) -> AuthorizationRequested:
    """Automatic capture asks for a sale, which is one attempt that authorizes and captures."""
    sale = capture_method == "automatic"
    return AuthorizationRequested(
        operation_id=command.operation_id,
        kind="sale" if sale else "hold",
        amount=amount,
        payment_method=command.payment_method,
        initiator=command.initiator,
        capture_id=command.capture_id if sale else None,
    )


def request_authorization(command: RequestAuthorization, state: PaymentIntent) -> list[Event]:
    """Raises:
    OperationInProgress: another authorization has not ended.
    AttemptsExhausted: it was declined ten times.
    InvalidState: neither `created` nor `declined`.
    """
    status = state.status
    if status in _MAY_BE_AUTHORIZED:
        return [authorization_requested(command, state.amount, state.capture_method)]
    if state.open_authorization is not None:
        raise OperationInProgress("An authorization of this payment intent has not ended yet.")
    if state.authorization is None and state.authorizations_requested >= MAX_AUTHORIZATIONS and status == "failed":
        raise AttemptsExhausted
    raise InvalidState(
        f"A payment intent that is {status} cannot be authorized.", current=status, allowed=list(_MAY_BE_AUTHORIZED)
    )


def authorized(command: RecordOutcome, state: PaymentIntent, operation: Operation) -> list[Event]:
    """The PSP said yes to a hold or a sale."""
    outcome = command.outcome
    authorized_event = PaymentAuthorized(
        result=outcome.result,
        amount_authorized=operation.amount,
        expires_at=outcome.expires_at,
        approval_code=outcome.approval_code,
        avs=outcome.avs,
        cvc_result=outcome.cvc_result,
        eci=outcome.eci,
        liability_shift=outcome.liability_shift,
        card=outcome.card,
    )
    if operation.capture_id is None:
        return [authorized_event]
    sale = captured(command, state, operation.capture_id, operation.amount, final=True, hold=operation.amount)
    return [authorized_event, sale]


def declined(outcome: PspOutcome) -> list[Event]:
    """The PSP said no; another method or another day may do better."""
    assert outcome.decline is not None
    return [AuthorizationDeclined(result=outcome.result, decline=outcome.decline, psp_fee=outcome.fee)]
