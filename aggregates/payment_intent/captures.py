"""Captures: a hold, or a part of it, becomes money; and the PSP may take it back."""

from typing import Final
from uuid import UUID

from aggregates.payment_intent.cases import check_belongs, contradiction
from aggregates.payment_intent.commands import AdjustPspFee, RecordCaptureReversal, RecordOutcome, RequestCapture
from aggregates.payment_intent.fees import fee_returned_on_reversal, platform_fee, psp_fee_kept, psp_fee_of_capture
from aggregates.payment_intent.funding import taken_by_reversal
from aggregates.payment_intent.state import Attempt, Capture, Operation, PaymentIntent, Reversal
from aggregates.payment_intent.timers import released_by_failure
from schemas.errors import (
    AuthorizationExpiredAlready,
    CaptureExceedsAuthorized,
    InvalidState,
    NotFound,
    OperationInProgress,
    TooManyOperations,
)
from schemas.events import (
    CaptureFailed,
    CaptureRequested,
    CaptureReversed,
    Event,
    PaymentCaptured,
    PspFeeAdjusted,
)
from schemas.events.psp import PspResult

MAX_CAPTURES: Final = 50
_MS: Final = 1000
_MAY_BE_CAPTURED: Final = ("authorized", "partially_captured", "partially_refunded")


def request_capture(command: RequestCapture, state: PaymentIntent) -> list[Event]:
    """Capture an amount, or with null all that is left.

    A final capture releases the rest, so it has to know what the rest is: while another capture is on its way it is
    refused, and while it is on its way itself no other capture is begun.

    Raises:
        AuthorizationExpiredAlready: the hold ran out.
        InvalidState: it is not authorized, or nothing is left to capture.
        OperationInProgress: an authorization, a final capture or a cancellation has not ended, or a final one would
            overtake another.
        TooManyOperations: it has fifty captures.
        CaptureExceedsAuthorized: more than authorized − released − captured − captures on their way.
    """
    _check_capturable(state)
    if len(state.captures) >= MAX_CAPTURES:
        raise TooManyOperations(f"A payment intent has at most {MAX_CAPTURES} captures.")
    available = state.capturable
    amount = available if command.amount is None else command.amount
    final = command.amount is None if command.final is None else command.final
    if command.amount is None and not available:
        raise OperationInProgress("All that is left is on its way in captures that have not ended yet.")
    assert amount > 0, "the edge refuses amounts below 1"
    if amount > available:
        raise CaptureExceedsAuthorized(requested=amount, available=available)
    if final and state.capture_pending:
        raise OperationInProgress("A final capture waits until the other captures have ended.")
    return [
        CaptureRequested(operation_id=command.operation_id, capture_id=command.capture_id, amount=amount, final=final)
    ]


def _check_capturable(state: PaymentIntent) -> None:
    if state.expired_at is not None:
        raise AuthorizationExpiredAlready
    if state.open_authorization is not None:
        raise OperationInProgress("An authorization of this payment intent has not ended yet.")
    if state.authorization is None or not state.uncaptured:
        status = state.status
        why = "is not authorized" if state.authorization is None else "has nothing left to capture"
        raise InvalidState(
            f"A payment intent that is {status} {why}.",
            current=status,
            allowed=list(_MAY_BE_CAPTURED),
        )
    if state.open_cancellation is not None:
        raise OperationInProgress("A cancellation of this payment intent has not ended yet.")
    if state.final_capture_pending:
        raise OperationInProgress("A final capture of this payment intent has not ended yet.")


def captured(
    command: RecordOutcome, state: PaymentIntent, capture_id: UUID, amount: int, *, final: bool, hold: int
) -> PaymentCaptured:
    """The money is ours: `hold` is the uncaptured hold before it, all of which a final capture lets go."""
    return PaymentCaptured(
        result=command.outcome.result,
        capture_id=capture_id,
        amount=amount,
        final=final,
        hold_released=hold if final else amount,
        platform_fee=platform_fee(state, amount),
        fee_plan_version=state.fee_plan.version,
        psp_fee=psp_fee_of_capture(command.outcome.fee, state.currency),
        available_on=command.now_ms + state.settlement_delay_s * _MS,
    )


def capture_succeeded(command: RecordOutcome, state: PaymentIntent, capture: Capture) -> list[Event]:
    """The PSP captured; nothing else is on its way when it was final."""
    return [captured(command, state, capture.id, capture.amount, final=capture.final, hold=state.uncaptured)]


def capture_failed(command: RecordOutcome, state: PaymentIntent, operation: Operation) -> list[Event]:
    """The PSP would not capture. If the hold ran out meanwhile, what the capture had kept from expiring goes too."""
    outcome = command.outcome
    assert outcome.decline is not None
    assert operation.capture_id is not None
    failed = CaptureFailed(
        result=outcome.result, decline=outcome.decline, capture_id=operation.capture_id, amount=operation.amount
    )
    return [failed, *released_by_failure(outcome, state, operation.amount)]


def _capture_of(state: PaymentIntent, capture_id: UUID) -> Capture:
    try:
        return state.captures[capture_id]
    except KeyError:
        raise NotFound("This payment intent has no such capture.") from None


def reverse_capture(command: RecordCaptureReversal, state: PaymentIntent) -> list[Event]:
    """The PSP took money back. The same reversal again (by the PSP's reference of it) changes nothing.

    The merchant's money that pays is the capture's own lot, then the other pending lots, then what is available; the
    platform's fee goes back in proportion, to what is available. The hold does not come back. One that contradicts
    what is known, or may be one that was taken before, is a case for a person and moves nothing (ADR 12).

    Raises:
        NotFound: no such capture.
        InvalidState: its outcome is not known yet; ask again when it is.
    """
    capture, result = _capture_of(state, command.capture_id), command.result
    if capture.status == "processing":
        raise InvalidState("The capture has not ended yet.", current=state.status, allowed=[])
    attempt = _attempt_of(capture, result, state)
    assert command.amount > 0, "a reversal of nothing is none"
    assert command.psp_fee_returned >= 0, "what a reversal costs is a fee that is adjusted"
    reversal = Reversal(result.psp_operation_reference, command.amount)
    if result.psp == attempt.psp and reversal.reference is not None and reversal in capture.reversals:
        return []
    doubt = _doubt(command, reversal, capture, attempt, state.currency)
    if doubt is not None:
        told = ("capture_reversal", result.psp, reversal.reference, command.amount, command.psp_fee_returned)
        return contradiction(state, attempt, told, exposure=command.amount, reason=doubt)
    return [
        CaptureReversed(
            result=result,
            capture_id=capture.id,
            amount=command.amount,
            platform_fee_returned=fee_returned_on_reversal(state, command.amount),
            psp_fee_returned=command.psp_fee_returned,
            taken_from=taken_by_reversal(state, capture.id, command.amount),
            reason=command.reason,
        )
    ]


def _doubt(
    command: RecordCaptureReversal, told: Reversal, capture: Capture, attempt: Attempt, currency: str
) -> str | None:
    """Why a reversal that is news cannot be taken as it was told, the first reason that holds; null where it can.

    Without a reference nothing tells a repeat from a second reversal of the same amount, and neither may be guessed.
    """
    if command.result.psp != attempt.psp:
        return "psp_mismatch"
    for known in capture.reversals:
        if told.reference is not None and known.reference == told.reference:
            return "capture_reversal_differs"
        if known.amount == told.amount and None in {known.reference, told.reference}:
            return "capture_reversal_may_be_a_repeat"
    if capture.status == "failed" or told.amount > capture.amount - capture.reversed_amount:
        return "capture_reversal_exceeds_capture"
    if command.psp_fee_returned > psp_fee_kept(capture, currency):
        return "psp_fee_returned_exceeds_fee"
    return None


def _attempt_of(capture: Capture, result: PspResult, state: PaymentIntent) -> Attempt:
    """The attempt that a capture ended with, which is what the PSP tells more of."""
    assert capture.attempt_id is not None, "a capture that has ended was attempted"
    attempt = state.attempts[capture.attempt_id]
    check_belongs(result, attempt)
    return attempt


def adjust_psp_fee(command: AdjustPspFee, state: PaymentIntent) -> list[Event]:
    """The fee is now known. Told the same again, nothing happens; a fee first known to be 0 is told with delta 0.

    A fee that is kept in one currency and told in another, or told by another PSP, is a case: one of the two would be
    booked on top of the other.

    Raises:
        NotFound: no such capture.
        InvalidState: the capture did not succeed, so it has no fee.
    """
    capture = _capture_of(state, command.capture_id)
    kept = capture.psp_fee
    if kept is None:
        raise InvalidState("A capture that did not succeed has no fee.", current=state.status, allowed=[])
    attempt = _attempt_of(capture, command.result, state)
    doubt = None
    if command.result.psp != attempt.psp:
        doubt = "psp_mismatch"
    elif kept.amount and kept.currency != command.currency:
        doubt = "psp_fee_in_two_currencies"
    if doubt is not None:
        words = ("psp_fee", command.result.psp, f"{command.amount} {command.currency}")
        # What is at stake is said in the payment's currency, as far as either is in it.
        exposure = max([fee.amount for fee in (kept, command) if fee.currency == state.currency], default=0)
        return contradiction(state, attempt, words, exposure=exposure, reason=doubt)
    delta = command.amount - kept.amount
    if not delta and kept.status == "known":
        return []
    return [
        PspFeeAdjusted(
            result=command.result, capture_id=capture.id, delta=delta, currency=command.currency, status="known"
        )
    ]
