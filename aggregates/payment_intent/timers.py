"""What time alone brings about: a hold runs out, captured funds become available."""

from aggregates.payment_intent.commands import ExpireAuthorization, MakeFundsAvailable, PspOutcome
from aggregates.payment_intent.state import PaymentIntent
from schemas.errors import InvalidState, NotFound
from schemas.events import AuthorizationExpired, Event, FundsMadeAvailable


def expire_authorization(command: ExpireAuthorization, state: PaymentIntent) -> list[Event]:
    """The hold has run out, as far as no capture or cancellation is on its way.

    What is on its way is left to its outcome: it is captured or voided then, or released with the failure. To say so,
    the hold expires even where nothing is free, with `amount_released` 0. A hold that has ended needs no expiry.

    Raises:
        InvalidState: the hold's time has not come; a PSP that named no time decides with its word alone.
    """
    if state.authorization is None or state.expired_at is not None or not state.uncaptured:
        return []
    if state.expires_at is not None and command.now_ms < state.expires_at:
        raise InvalidState("The authorization has not expired yet.", current=state.status, allowed=[])
    free = 0 if state.open_cancellation is not None else state.uncaptured - state.capture_pending
    return [
        AuthorizationExpired(
            amount_released=free,
            expires_at=state.expires_at if state.expires_at is not None else command.now_ms,
            confirmed_by=command.confirmed_by,
        )
    ]


def released_by_failure(outcome: PspOutcome, state: PaymentIntent, amount: int) -> list[Event]:
    """What a failed capture or cancellation of `amount` had kept from expiring, where the hold ran out meanwhile."""
    if state.expired_at is None:
        return []
    assert state.expires_at is not None, "an expiry names its time"
    resolved_by = outcome.result.resolved_by
    return [AuthorizationExpired(amount_released=amount, expires_at=state.expires_at, confirmed_by=resolved_by)]


def make_funds_available(command: MakeFundsAvailable, state: PaymentIntent) -> list[Event]:
    """What is left of a capture's lot, even nothing or less, joins the available money, once.

    Raises:
        NotFound: no such capture, or one that brought no money.
        InvalidState: the settlement delay is not over.
    """
    lot = state.lots.get(command.capture_id)
    if lot is None:
        raise NotFound("This payment intent has no such capture with funds.")
    if lot.available:
        return []
    available_on = state.captures[command.capture_id].available_on
    assert available_on is not None, "a capture with a lot has succeeded"
    if command.now_ms < available_on:
        raise InvalidState("These funds are not available yet.", current=state.status, allowed=[])
    return [FundsMadeAvailable(capture_id=command.capture_id, amount=lot.rest, available_on=available_on)]
