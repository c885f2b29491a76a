"""The status words a second time: the table of the contract, read off the events. The oracle of the state machine."""

from collections.abc import Sequence

from aggregates.payment_intent.state import PaymentIntent
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationRequested,
    PaymentAuthorized,
    PaymentCanceled,
)
from schemas.records import RecordedEvent


def word_of(history: Sequence[RecordedEvent], state: PaymentIntent) -> str:
    """The status word by the table of the contract, from the events and the amounts they name."""
    events = [recorded.event for recorded in history]
    net = state.captured - state.captured_reversed
    left = state.authorized - state.released - state.captured
    asked = [event for event in events if isinstance(event, AuthorizationRequested)]
    refused = [event for event in events if isinstance(event, AuthorizationDeclined)]
    held = any(isinstance(event, PaymentAuthorized) for event in events)
    ran_out = any(isinstance(event, AuthorizationExpired) for event in events)
    table = [
        ("canceled", any(isinstance(event, PaymentCanceled) for event in events)),
        ("expired", ran_out and not state.captured and not left),
        ("failed", len(refused) == 10 or (state.captured > 0 and not net and not left and not state.refunded)),
        ("refunded", state.refunded > 0 and state.refunded >= net and not left),
        ("partially_refunded", state.refunded > 0),
        ("captured", net > 0 and not left),
        ("partially_captured", net > 0),
        ("authorized", held),
        ("processing", len(asked) > len(refused)),
        ("declined", bool(refused)),
        ("created", True),
    ]
    return next(word for word, matches in table if matches)
