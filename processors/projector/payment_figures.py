"""What merchants are told a payments platform does, counted as the log tells it: by whomever an event was appended."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge

from schemas.events import (
    AuthorizationDeclined,
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentIntentCreated,
)
from schemas.records import RecordedEvent

CREATED: Final = Counter("payments_created", "Payment intents created.", ["livemode"])
CAPTURED: Final = Counter("payments_captured", "Captures that succeeded, each part of a payment.", ["livemode"])
OUTCOMES: Final = Counter(
    "guilder_payment_outcomes",
    "Authorizations and captures that have ended, by how.",
    ["operation", "outcome"],
)
# A gauge, since the library lets no counter go by this name; it only rises, and begins at 0 with the process.
REVENUE: Final = Gauge(
    "revenue_processed", "Captured amounts in minor units since the start.", ["currency", "livemode"]
)

_MODES: Final = {True: "true", False: "false", None: "false"}
for _operation, _outcome in (
    ("authorize", "succeeded"),
    ("authorize", "failed"),
    ("capture", "succeeded"),
    ("capture", "failed"),
):
    OUTCOMES.labels(_operation, _outcome)
for _mode in ("true", "false"):
    CREATED.labels(_mode)
    CAPTURED.labels(_mode)


def count(events: Iterable[RecordedEvent]) -> None:
    """Count events that have just been applied."""
    for recorded in events:
        match recorded.event:
            case PaymentIntentCreated():
                CREATED.labels(_MODES[recorded.envelope.livemode]).inc()
            case PaymentAuthorized():
                OUTCOMES.labels("authorize", "succeeded").inc()
            case AuthorizationDeclined():
                OUTCOMES.labels("authorize", "failed").inc()
            case CaptureFailed():
                OUTCOMES.labels("capture", "failed").inc()
            case PaymentCaptured(amount=amount):
                mode = _MODES[recorded.envelope.livemode]
                OUTCOMES.labels("capture", "succeeded").inc()
                CAPTURED.labels(mode).inc()
                REVENUE.labels(recorded.envelope.currency or "", mode).inc(amount)
            case _:
                pass
