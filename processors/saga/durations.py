"""How long merchants wait for what they asked: from the request's event in the log to that of its outcome."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import Histogram

from schemas.events import (
    AuthorizationDeclined,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    PaymentAuthorized,
    PaymentCaptured,
)
from schemas.records import RecordedEvent

_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 3600)

AUTHORIZE_SECONDS: Final = Histogram(
    "payment_authorize_duration_seconds",
    "From the request of an authorization to its outcome, a decline too, by the log's own times.",
    buckets=_BUCKETS,
)
CAPTURE_SECONDS: Final = Histogram(
    "payment_capture_duration_seconds",
    "From the request of a capture (or of a sale) to its outcome, a failure too, by the log's own times.",
    buckets=_BUCKETS,
)


def observe(appended: Sequence[RecordedEvent], stream: Sequence[RecordedEvent]) -> None:
    """Note the durations that end with the events just appended to `stream`."""
    for recorded in appended:
        match recorded.event:
            case PaymentAuthorized(result=result) | AuthorizationDeclined(result=result):
                histogram = AUTHORIZE_SECONDS
            case PaymentCaptured(result=result) | CaptureFailed(result=result):
                histogram = CAPTURE_SECONDS
            case _:
                continue
        for earlier in stream:
            match earlier.event:
                case (
                    AuthorizationRequested(operation_id=operation_id) | CaptureRequested(operation_id=operation_id)
                ) if operation_id == result.operation_id:
                    histogram.observe((recorded.recorded_at - earlier.recorded_at) / 1000)
                    break
