"""Captures, what the PSP takes back of them, and the lots of the merchant's pending money."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from aggregates.payment_intent.folds.changes import Changes, Fold, attempt_answered, operation_ended, with_item
from aggregates.payment_intent.state import Capture, Lot, Operation, PaymentIntent, Reversal
from schemas.events import (
    CaptureFailed,
    CaptureRequested,
    CaptureReversed,
    FundsMadeAvailable,
    PaymentCaptured,
    PspFeeAdjusted,
)
from schemas.events.psp import PspFee
from schemas.records import RecordedEvent


def lots_with(lots: Mapping[UUID, Lot], deltas: Iterable[tuple[UUID | None, int]]) -> dict[UUID, Lot]:
    """The lots after adding to some; a null capture id means available money, which no lot holds."""
    changed = dict(lots)
    for capture_id, delta in deltas:
        if capture_id is not None:
            changed[capture_id] = replace(changed[capture_id], rest=changed[capture_id].rest + delta)
    return changed


def _requested(state: PaymentIntent, event: CaptureRequested, recorded: RecordedEvent) -> Changes:
    operation = Operation(
        id=event.operation_id,
        kind="capture",
        amount=event.amount,
        requested_at=recorded.recorded_at,
        capture_id=event.capture_id,
    )
    capture = Capture(
        id=event.capture_id,
        operation_id=event.operation_id,
        amount=event.amount,
        final=event.final,
        status="processing",
        created_at=recorded.recorded_at,
    )
    return {
        "operations": with_item(state.operations, operation.id, operation),
        "captures": with_item(state.captures, capture.id, capture),
        "capture_pending": state.capture_pending + event.amount,
    }


def _captured(state: PaymentIntent, event: PaymentCaptured, recorded: RecordedEvent) -> Changes:
    result = event.result
    requested = state.captures.get(event.capture_id)
    capture = Capture(
        id=event.capture_id,
        operation_id=result.operation_id,
        amount=event.amount,
        final=event.final,
        status="succeeded",
        created_at=recorded.recorded_at if requested is None else requested.created_at,
        captured_at=recorded.recorded_at,
        available_on=event.available_on,
        platform_fee=event.platform_fee.total,
        psp_fee=event.psp_fee,
        attempt_id=result.attempt_id,
        psp_reference=result.psp_reference,
        psp_operation_reference=result.psp_operation_reference,
    )
    return {
        "captures": with_item(state.captures, capture.id, capture),
        "lots": with_item(state.lots, capture.id, Lot(rest=event.amount - event.platform_fee.total)),
        "captured": state.captured + event.amount,
        # A sale was never requested as a capture, so nothing of it was pending.
        "capture_pending": state.capture_pending - (0 if requested is None else event.amount),
        "released": state.released + event.hold_released - event.amount,
        "percent_charged": state.percent_charged + event.platform_fee.percent,
        "fee_charged": state.fee_charged + event.platform_fee.total,
        "captured_at": recorded.recorded_at,
        **attempt_answered(state, result, recorded, "succeeded"),
        **operation_ended(state, result.operation_id, recorded),
    }


def _failed(state: PaymentIntent, event: CaptureFailed, recorded: RecordedEvent) -> Changes:
    failed = replace(state.captures[event.capture_id], status="failed", attempt_id=event.result.attempt_id)
    return {
        "captures": with_item(state.captures, failed.id, failed),
        "capture_pending": state.capture_pending - event.amount,
        **attempt_answered(state, event.result, recorded, "failed", event.decline),
        **operation_ended(state, event.result.operation_id, recorded),
    }


def _reversed(state: PaymentIntent, event: CaptureReversed, _recorded: RecordedEvent) -> Changes:
    capture = state.captures[event.capture_id]
    reversed_amount = capture.reversed_amount + event.amount
    taken, fee = Reversal(event.result.psp_operation_reference, event.amount), capture.psp_fee
    changed = replace(
        capture,
        psp_fee=None if fee is None else replace(fee, amount=fee.amount - event.psp_fee_returned),
        reversed_amount=reversed_amount,
        status="reversed" if reversed_amount >= capture.amount else capture.status,
        reversals=(*capture.reversals, taken),
    )
    return {
        "captures": with_item(state.captures, capture.id, changed),
        "captured_reversed": state.captured_reversed + event.amount,
        "fee_returned_on_reversals": state.fee_returned_on_reversals + event.platform_fee_returned,
        "lots": lots_with(state.lots, ((part.capture_id, -part.amount) for part in event.taken_from)),
    }


def _psp_fee_adjusted(state: PaymentIntent, event: PspFeeAdjusted, _recorded: RecordedEvent) -> Changes:
    capture = state.captures[event.capture_id]
    before = 0 if capture.psp_fee is None else capture.psp_fee.amount
    fee = PspFee(amount=before + event.delta, currency=event.currency, status=event.status)
    return {"captures": with_item(state.captures, capture.id, replace(capture, psp_fee=fee))}


def _funds_made_available(state: PaymentIntent, event: FundsMadeAvailable, _recorded: RecordedEvent) -> Changes:
    lot = state.lots[event.capture_id]
    return {"lots": with_item(state.lots, event.capture_id, Lot(rest=lot.rest - event.amount, available=True))}


CAPTURE_FOLDS: Final[dict[type, Fold]] = {
    CaptureRequested: _requested,
    PaymentCaptured: _captured,
    CaptureFailed: _failed,
    CaptureReversed: _reversed,
    PspFeeAdjusted: _psp_fee_adjusted,
    FundsMadeAvailable: _funds_made_available,
}
