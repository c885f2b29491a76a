"""The status word of a payment intent: derived from its amounts, never stored."""

from typing import TYPE_CHECKING, Final

from schemas.resources import PaymentIntentStatus

if TYPE_CHECKING:
    from aggregates.payment_intent.state import PaymentIntent

MAX_AUTHORIZATIONS: Final = 10


def derive_status(state: "PaymentIntent") -> PaymentIntentStatus:
    """The first word that matches.

    Two cases the table leaves open: while a capture is on its way past the hold's expiry the intent is still
    `authorized`, because `expired` would be taken back if the capture succeeds; and an intent all of whose captured
    money the PSP took back, with nothing left to capture, has `failed`.
    """
    if state.canceled_at is not None:
        return "canceled"
    if state.captured:
        return _status_of_captured(state)
    if state.expired_at is not None and not state.capture_pending and not state.open_cancellation:
        return "expired"
    if state.authorization is not None:
        return "authorized"
    if state.open_authorization is not None:
        return "processing"
    if state.authorizations_requested >= MAX_AUTHORIZATIONS:
        return "failed"
    return "declined" if state.last_decline is not None else "created"


def _status_of_captured(state: "PaymentIntent") -> PaymentIntentStatus:
    left_to_capture = state.uncaptured > 0
    if state.refunded:
        all_refunded = state.refunded >= state.captured_net
        return "refunded" if all_refunded and not left_to_capture else "partially_refunded"
    if not state.captured_net:
        return "authorized" if left_to_capture else "failed"
    return "partially_captured" if left_to_capture else "captured"
