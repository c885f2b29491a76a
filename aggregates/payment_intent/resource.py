"""A payment intent and its refunds as HTTP answers show them."""

from uuid import UUID

from aggregates.payment_intent.state import Attempt, Capture, PaymentIntent, Refund
from schemas.events.psp import Decline
from schemas.identifiers import Prefix, public_id
from schemas.resources import (
    AttemptResource,
    CaptureResource,
    PaymentErrorResource,
    PaymentIntentResource,
    PaymentMethodResource,
    RefundResource,
)
from schemas.timestamps import rfc3339, rfc3339_or_null


def resource(state: PaymentIntent) -> PaymentIntentResource:
    """The public object of a state that exists.

    `amount_captured` is net of what the PSP took back. `captured_at` and `refunded_at` are of the latest capture and
    refund; times are when the log learned of it. `last_payment_error` is the newest no that a PSP said
    to any operation; an authorization that succeeds clears it.
    """
    method, authorization = state.payment_method, state.authorization
    return PaymentIntentResource(
        id=public_id(Prefix.PAYMENT_INTENT, state.id),
        merchant_id=public_id(Prefix.MERCHANT, state.merchant_id),
        livemode=state.livemode,
        status=state.status,
        amount=state.amount,
        currency=state.currency,
        capture_method=state.capture_method,
        amount_authorized=state.authorized,
        amount_captured=state.captured_net,
        captured_amount=state.captured_net,
        amount_refunded=state.refunded,
        amount_released=state.released,
        amount_capturable=state.capturable,
        amount_capture_pending=state.capture_pending,
        amount_refund_pending=state.refund_pending,
        reference=state.reference,
        statement_descriptor=state.statement_descriptor,
        metadata=dict(state.metadata),
        payment_method=None
        if method is None
        else PaymentMethodResource(type=method.type, brand=method.brand, last4=method.last4),
        next_action=None,
        last_payment_error=_last_payment_error(state),
        return_url=state.return_url,
        captures=tuple([_capture(capture, state.currency) for capture in state.captures.values()]),
        refunds=tuple([_refund(state.id, refund) for refund in state.refunds.values()]),
        attempts=tuple([_attempt(attempt) for attempt in state.attempts.values()]),
        created_at=rfc3339(state.created_at),
        authorized_at=None if authorization is None else rfc3339(authorization.authorized_at),
        captured_at=rfc3339_or_null(state.captured_at),
        refunded_at=rfc3339_or_null(state.refunded_at),
        canceled_at=rfc3339_or_null(state.canceled_at),
        expires_at=rfc3339_or_null(state.expires_at),
        version=state.version,
    )


def refund_resource(state: PaymentIntent, refund_id: UUID) -> RefundResource:
    """The public object of one refund.

    Raises:
        KeyError: the intent has no such refund.
    """
    return _refund(state.id, state.refunds[refund_id])


def operation_ended_at(state: PaymentIntent, operation_id: UUID) -> int | None:
    """The version of the event that ended an operation; null while it is open, or where it is not known.

    A creation that asked for no authorization ended with its own event, version 1.
    """
    operation = state.operations.get(operation_id)
    if operation is not None:
        return operation.ended_version
    return 1 if state.exists and operation_id == state.created_by else None


def refund_of_operation(state: PaymentIntent, operation_id: UUID) -> UUID | None:
    """The refund that an operation asked for; null where it asked for something else or is not known."""
    operation = state.operations.get(operation_id)
    return None if operation is None else operation.refund_id


def _last_payment_error(state: PaymentIntent) -> PaymentErrorResource | None:
    newest, decline = 0, None
    for attempt in state.attempts.values():
        # Whether a late success could be undone is between us and the PSP.
        if attempt.decline is None or attempt.operation == "reversal":
            continue
        # None is asked for after one that succeeded, so this no came before that yes.
        if attempt.operation == "authorize" and state.authorization is not None:
            continue
        ended = state.operations[attempt.operation_id].ended_version or 0
        if ended > newest:
            newest, decline = ended, attempt.decline
    return None if decline is None else _payment_error(decline)


def _payment_error(decline: Decline) -> PaymentErrorResource:
    return PaymentErrorResource(
        code=decline.code,
        category=decline.category,
        network_code=decline.network_code,
        advice_code=decline.advice_code,
        retryable=decline.retryable,
    )


def _capture(capture: Capture, currency: str) -> CaptureResource:
    fee = capture.psp_fee
    # The object says amounts in the payment's currency only; a fee in another stands in the events and the ledger.
    said = fee is not None and fee.status == "known" and fee.currency == currency
    return CaptureResource(
        id=public_id(Prefix.CAPTURE, capture.id),
        amount=capture.amount,
        final=capture.final,
        status=capture.status,
        created_at=rfc3339(capture.created_at),
        captured_at=rfc3339_or_null(capture.captured_at),
        available_on=rfc3339_or_null(capture.available_on),
        platform_fee=capture.platform_fee,
        psp_fee=fee.amount if fee is not None and said else None,
    )


def _refund(payment_intent_id: UUID, refund: Refund) -> RefundResource:
    return RefundResource(
        id=public_id(Prefix.REFUND, refund.id),
        payment_intent_id=public_id(Prefix.PAYMENT_INTENT, payment_intent_id),
        amount=refund.amount,
        status=refund.status,
        reason=refund.reason,
        created_at=rfc3339(refund.created_at),
        refunded_at=rfc3339_or_null(refund.refunded_at),
    )


def _attempt(attempt: Attempt) -> AttemptResource:
    return AttemptResource(
        id=public_id(Prefix.ATTEMPT, attempt.id),
        operation=attempt.operation,
        psp=attempt.psp,
        status=attempt.status,
        psp_reference=attempt.psp_reference,
        started_at=rfc3339(attempt.started_at),
        ended_at=rfc3339_or_null(attempt.ended_at),
    )
