"""Refunds and the money they take from the merchant."""

from typing import Final

from msgspec.structs import replace

from aggregates.payment_intent.folds.captures import lots_with
from aggregates.payment_intent.folds.changes import Changes, Fold, attempt_answered, operation_ended, with_item
from aggregates.payment_intent.state import FundingSlice, Operation, PaymentIntent, Refund
from schemas.events import PaymentRefunded, RefundFailed, RefundRequested, RefundReversed
from schemas.records import RecordedEvent


def _requested(state: PaymentIntent, event: RefundRequested, recorded: RecordedEvent) -> Changes:
    operation = Operation(
        id=event.operation_id,
        kind="refund",
        amount=event.amount,
        requested_at=recorded.recorded_at,
        refund_id=event.refund_id,
        reason=event.reason,
    )
    refund = Refund(
        id=event.refund_id,
        operation_id=event.operation_id,
        amount=event.amount,
        reason=event.reason,
        funding=tuple(FundingSlice(part.source, part.capture_id, part.amount) for part in event.funding),
        refund_fee=event.refund_fee,
        status="processing",
        created_at=recorded.recorded_at,
    )
    return {
        "operations": with_item(state.operations, operation.id, operation),
        "refunds": with_item(state.refunds, refund.id, refund),
        "refund_pending": state.refund_pending + event.amount,
        "lots": lots_with(state.lots, ((part.capture_id, -part.amount) for part in event.funding)),
    }


def _refunded(state: PaymentIntent, event: PaymentRefunded, recorded: RecordedEvent) -> Changes:
    refund = replace(state.refunds[event.refund_id], status="refunded", refunded_at=recorded.recorded_at)
    return {
        "refunds": with_item(state.refunds, refund.id, refund),
        "refund_pending": state.refund_pending - event.amount,
        "refunded": state.refunded + event.amount,
        "fee_returned_on_refunds": state.fee_returned_on_refunds + event.platform_fee_returned,
        "refunded_at": recorded.recorded_at,
        **attempt_answered(state, event.result, recorded, "succeeded"),
        **operation_ended(state, event.result.operation_id, recorded),
    }


def _failed(state: PaymentIntent, event: RefundFailed, recorded: RecordedEvent) -> Changes:
    refund = replace(state.refunds[event.refund_id], status="failed")
    return {
        "refunds": with_item(state.refunds, refund.id, refund),
        "refund_pending": state.refund_pending - event.amount,
        "lots": lots_with(state.lots, ((part.capture_id, part.amount) for part in event.restored)),
        **attempt_answered(state, event.result, recorded, "failed", event.decline),
        **operation_ended(state, event.result.operation_id, recorded),
    }


def _reversed(state: PaymentIntent, event: RefundReversed, _recorded: RecordedEvent) -> Changes:
    refund = replace(state.refunds[event.refund_id], status="reversed")
    return {
        "refunds": with_item(state.refunds, refund.id, refund),
        "refunded": state.refunded - event.amount,
        "lots": lots_with(state.lots, ((part.capture_id, part.amount) for part in event.restored)),
    }


REFUND_FOLDS: Final[dict[type, Fold]] = {
    RefundRequested: _requested,
    PaymentRefunded: _refunded,
    RefundFailed: _failed,
    RefundReversed: _reversed,
}
