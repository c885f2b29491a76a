"""The caps: how much may still be captured, and how much refunded. Derived from the amounts, never stored.

captured + captures on their way ≤ authorized − released; refunded + refunds on their way ≤ captured − reversed.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aggregates.payment_intent.state import PaymentIntent


def uncaptured(state: "PaymentIntent") -> int:
    """The hold that is left, captures on their way included."""
    return state.authorized - state.released - state.captured


def capturable(state: "PaymentIntent") -> int:
    """What a capture may ask for now; nothing once the hold expired or while its release is on the way."""
    if state.expired_at is not None or state.open_cancellation is not None or final_capture_pending(state):
        return 0
    return uncaptured(state) - state.capture_pending


def final_capture_pending(state: "PaymentIntent") -> bool:
    """Whether a capture is on its way that releases the rest of the hold."""
    return state.capture_pending > 0 and any(c.final and c.status == "processing" for c in state.captures.values())


def captured_net(state: "PaymentIntent") -> int:
    """What was captured and not taken back by the PSP."""
    return state.captured - state.captured_reversed


def refundable(state: "PaymentIntent") -> int:
    """What a refund may ask for now, never negative: a PSP can take back what was refunded already."""
    return max(0, captured_net(state) - state.refunded - state.refund_pending)
