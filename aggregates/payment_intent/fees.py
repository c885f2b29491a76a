"""What the platform takes of a capture, what it gives back, and what is known of the PSP's own fee.

All in minor units and integers. The plan is the one that stood when the intent was created.
"""

from aggregates.payment_intent.state import Capture, PaymentIntent
from schemas.events.fees import PlatformFee
from schemas.events.psp import PspFee
from schemas.money import round_half_up_ppm


def platform_fee(state: PaymentIntent, amount: int) -> PlatformFee:
    """The fee of capturing `amount` now: round_half_up(rate × cumulative captured) − percent already charged.

    So splitting a capture never changes the total. The fixed part is charged once, at the first capture.
    """
    percent = round_half_up_ppm(state.captured + amount, state.fee_plan.rate_ppm) - state.percent_charged
    fixed = 0 if state.captured else state.fee_plan.fixed
    return PlatformFee(percent=percent, fixed=fixed, total=percent + fixed)


def _share_half_up(total: int, part: int, whole: int) -> int:
    return (2 * total * part + whole) // (2 * whole)


def _still_kept(state: PaymentIntent) -> int:
    return state.fee_charged - state.fee_returned_on_refunds - state.fee_returned_on_reversals


def fee_returned_on_refund(state: PaymentIntent, amount: int) -> int:
    """The platform fee that goes back with a refund of `amount`: nothing, unless the plan says so.

    Then the refunded share of all that was charged, fixed part included (as Stripe refunds an application fee),
    counted over all refunds so that splitting does not change it, and never more than the platform still keeps.
    """
    if not state.fee_plan.returned_on_refund:
        return 0
    due = _share_half_up(state.fee_charged, min(state.refunded + amount, state.captured), state.captured)
    return max(0, min(due - state.fee_returned_on_refunds, _still_kept(state)))


def fee_returned_on_reversal(state: PaymentIntent, amount: int) -> int:
    """The platform fee that goes back when the PSP takes back `amount` of a capture, whatever the plan says.

    A capture that did not last earns no fee: the reversed share of all that was charged, counted over all reversals.
    """
    due = _share_half_up(state.fee_charged, state.captured_reversed + amount, state.captured)
    return max(0, min(due - state.fee_returned_on_reversals, _still_kept(state)))


def psp_fee_of_capture(named: PspFee | None, currency: str) -> PspFee:
    """The PSP's fee as a capture records it: as the PSP named it, else 0 of `currency` and `unknown` until it does.

    A PSP may bill in a currency of its own; nothing is converted, and the ledger keeps it apart (ADR 12).
    """
    if named is None or named.status == "unknown":
        return PspFee(amount=0, currency=currency, status="unknown")
    return named


def psp_fee_kept(capture: Capture, currency: str) -> int:
    """What the PSP keeps of a capture by now, as far as it named it in `currency`: no more can come back in that."""
    fee = capture.psp_fee
    return fee.amount if fee is not None and fee.currency == currency else 0
