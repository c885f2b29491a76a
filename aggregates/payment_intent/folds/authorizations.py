"""Creation, authorization, cancellation and expiry."""

from typing import Final

from aggregates.payment_intent.folds.changes import Changes, Fold, attempt_answered, operation_ended, with_item
from aggregates.payment_intent.state import Authorization, Operation, PaymentIntent
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationRequested,
    AuthorizationVoided,
    CancellationFailed,
    CancellationRequested,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentIntentCreated,
)
from schemas.records import RecordedEvent


def _created(_state: PaymentIntent, event: PaymentIntentCreated, recorded: RecordedEvent) -> Changes:
    envelope = recorded.envelope
    return {
        "id": recorded.stream_id,
        "merchant_id": envelope.merchant_id,
        "livemode": bool(envelope.livemode),
        "amount": event.amount,
        "currency": event.currency,
        "exponent": event.exponent,
        "capture_method": event.capture_method,
        "reference": event.reference,
        "statement_descriptor": event.statement_descriptor,
        "metadata": event.metadata,
        "return_url": event.return_url,
        "fee_plan": event.fee_plan,
        "settlement_delay_s": event.settlement_delay_s,
        "created_at": recorded.recorded_at,
        "created_by": envelope.correlation_id,
    }


def _authorization_requested(state: PaymentIntent, event: AuthorizationRequested, recorded: RecordedEvent) -> Changes:
    operation = Operation(
        id=event.operation_id,
        kind="authorize",
        amount=event.amount,
        requested_at=recorded.recorded_at,
        capture_id=event.capture_id,
        payment_method=event.payment_method,
        initiator=event.initiator,
    )
    return {
        "operations": with_item(state.operations, operation.id, operation),
        "open_authorization": operation.id,
        "authorizations_requested": state.authorizations_requested + 1,
        "payment_method": event.payment_method,
    }


def _authorized(state: PaymentIntent, event: PaymentAuthorized, recorded: RecordedEvent) -> Changes:
    result = event.result
    operation = state.operations[result.operation_id]
    changes: Changes = {
        "authorization": Authorization(
            operation_id=result.operation_id,
            attempt_id=result.attempt_id,
            psp=result.psp,
            psp_account=result.psp_account,
            psp_reference=result.psp_reference,
            network_reference=result.network_reference,
            authorized_at=recorded.recorded_at,
        ),
        "authorized": event.amount_authorized,
        "expires_at": event.expires_at,
        "open_authorization": None,
        "last_decline": None,
        **attempt_answered(state, result, recorded, "succeeded"),
    }
    # A sale ends with the capture that stands right behind.
    return changes if operation.sale else changes | operation_ended(state, operation.id, recorded)


def _declined(state: PaymentIntent, event: AuthorizationDeclined, recorded: RecordedEvent) -> Changes:
    return {
        "open_authorization": None,
        "last_decline": event.decline,
        **attempt_answered(state, event.result, recorded, "failed", event.decline),
        **operation_ended(state, event.result.operation_id, recorded),
    }


def _cancellation_requested(state: PaymentIntent, event: CancellationRequested, recorded: RecordedEvent) -> Changes:
    operation = Operation(
        id=event.operation_id,
        kind="void",
        amount=event.amount,
        requested_at=recorded.recorded_at,
        reason=event.reason,
    )
    return {
        "operations": with_item(state.operations, operation.id, operation),
        "open_cancellation": operation.id,
    }


def _cancellation_failed(state: PaymentIntent, event: CancellationFailed, recorded: RecordedEvent) -> Changes:
    return {
        "open_cancellation": None,
        **attempt_answered(state, event.result, recorded, "failed", event.decline),
        **operation_ended(state, event.result.operation_id, recorded),
    }


def _voided(state: PaymentIntent, event: AuthorizationVoided, recorded: RecordedEvent) -> Changes:
    return {
        "open_cancellation": None,
        "released": state.released + event.amount_released,
        **attempt_answered(state, event.result, recorded, "succeeded"),
        **operation_ended(state, event.result.operation_id, recorded),
    }


def _expired(state: PaymentIntent, event: AuthorizationExpired, recorded: RecordedEvent) -> Changes:
    return {
        "released": state.released + event.amount_released,
        "expired_at": recorded.recorded_at if state.expired_at is None else state.expired_at,
        "expires_at": event.expires_at,
    }


def _canceled(state: PaymentIntent, event: PaymentCanceled, recorded: RecordedEvent) -> Changes:
    changes: Changes = {"canceled_at": recorded.recorded_at}
    for operation in state.operations.values():
        if operation.kind == "void" and operation.ended_version == state.version:
            # The void that stands right before: its operation ends here, when all it brought about is told.
            return changes | operation_ended(state, operation.id, recorded)
    operation_id = recorded.envelope.correlation_id
    if operation_id is None:
        return changes
    # Nothing was authorized, so no PSP was asked and no request stands in the log: this event is the whole operation.
    whole = Operation(
        id=operation_id,
        kind="void",
        amount=0,
        requested_at=recorded.recorded_at,
        ended_version=recorded.version,
        reason=event.reason,
    )
    return changes | {"operations": with_item(state.operations, operation_id, whole)}


AUTHORIZATION_FOLDS: Final[dict[type, Fold]] = {
    PaymentIntentCreated: _created,
    AuthorizationRequested: _authorization_requested,
    PaymentAuthorized: _authorized,
    AuthorizationDeclined: _declined,
    CancellationRequested: _cancellation_requested,
    CancellationFailed: _cancellation_failed,
    AuthorizationVoided: _voided,
    AuthorizationExpired: _expired,
    PaymentCanceled: _canceled,
}
