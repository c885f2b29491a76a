"""Which of the merchant's money pays: this intent's pending lots, oldest first, then what is available.

`merchant_available` may go negative; a pending lot is never taken below zero by a refund or a reversal.
"""

from collections.abc import Iterator
from uuid import UUID

from aggregates.payment_intent.state import FundingSlice, PaymentIntent, Refund
from schemas.events.captures import Slice
from schemas.events.refunds import Funding


def _take(state: PaymentIntent, amount: int, first: UUID | None) -> Iterator[FundingSlice]:
    order = list(state.lots)
    if first is not None:
        order.remove(first)
        order.insert(0, first)
    for capture_id in order:
        # A lot that has become available is empty.
        lot = state.lots[capture_id]
        if amount and lot.rest > 0:
            taken = min(lot.rest, amount)
            amount -= taken
            yield FundingSlice("merchant_pending", capture_id, taken)
    if amount:
        yield FundingSlice("merchant_available", None, amount)


def funding_of_refund(state: PaymentIntent, amount: int) -> tuple[Funding, ...]:
    """What pays for a refund of `amount` that is asked for now; the parts sum to `amount`."""
    return tuple(
        Funding(source=part.account, capture_id=part.capture_id, amount=part.amount)
        for part in _take(state, amount, None)
    )


def taken_by_reversal(state: PaymentIntent, capture_id: UUID, amount: int) -> tuple[Slice, ...]:
    """What pays when the PSP takes back `amount` of a capture: its own lot first, then like a refund."""
    return tuple(
        Slice(account=part.account, capture_id=part.capture_id, amount=part.amount)
        for part in _take(state, amount, capture_id)
    )


def restored_by(state: PaymentIntent, refund: Refund) -> tuple[Slice, ...]:
    """Where the money of a refund that did not happen goes back to.

    Each part goes where it was taken; if its lot has become available meanwhile, to what is available.
    """
    return tuple(
        Slice(account="merchant_available", capture_id=None, amount=part.amount)
        if part.capture_id is None or state.lots[part.capture_id].available
        else Slice(account="merchant_pending", capture_id=part.capture_id, amount=part.amount)
        for part in refund.funding
    )
