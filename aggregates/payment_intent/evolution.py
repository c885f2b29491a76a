"""`evolve`: how each event changes what is known of a payment intent."""

from typing import Final

from msgspec.structs import replace

from aggregates.payment_intent.folds.attempts import ATTEMPT_FOLDS
from aggregates.payment_intent.folds.authorizations import AUTHORIZATION_FOLDS
from aggregates.payment_intent.folds.captures import CAPTURE_FOLDS
from aggregates.payment_intent.folds.changes import Fold
from aggregates.payment_intent.folds.refunds import REFUND_FOLDS
from aggregates.payment_intent.state import PaymentIntent
from schemas.records import RecordedEvent

FOLDS: Final[dict[type, Fold]] = {**AUTHORIZATION_FOLDS, **CAPTURE_FOLDS, **REFUND_FOLDS, **ATTEMPT_FOLDS}
_NOTHING: Final = PaymentIntent()


def initial() -> PaymentIntent:
    """What is known of a payment intent before its first event: it does not exist."""
    return _NOTHING


def evolve(state: PaymentIntent, recorded: RecordedEvent) -> PaymentIntent:
    """The state after `recorded`, the next event of the same stream.

    Raises:
        KeyError: an event that no payment intent has.
    """
    event = recorded.event
    return replace(state, version=recorded.version, **FOLDS[type(event)](state, event, recorded))
