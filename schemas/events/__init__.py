"""The events, as frozen values that mirror the `.avsc` files in `schemas/avro`.

`Event` is the closed union; a name in it is the event's `type` in the log and on Kafka.
"""

from typing import Final, get_args

from schemas.events.captures import (
    CaptureFailed,
    CaptureRequested,
    CaptureReversed,
    FundsMadeAvailable,
    PaymentCaptured,
    PspFeeAdjusted,
)
from schemas.events.merchant import (
    ApiKeyIssued,
    ApiKeyRevoked,
    FeePlanSet,
    MerchantRegistered,
    SettlementDelaySet,
)
from schemas.events.payment_intent import (
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationRequested,
    AuthorizationVoided,
    CancellationFailed,
    CancellationRequested,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentIntentCreated,
    PspAttemptStarted,
)
from schemas.events.refunds import PaymentRefunded, RefundFailed, RefundRequested, RefundReversed
from schemas.events.unknown_outcomes import (
    LateSuccessReceived,
    LateSuccessReversed,
    ManualCaseOpened,
    PspOutcomeUnknown,
)

MerchantEvent = MerchantRegistered | FeePlanSet | SettlementDelaySet | ApiKeyIssued | ApiKeyRevoked
PaymentIntentEvent = (
    PaymentIntentCreated
    | AuthorizationRequested
    | PspAttemptStarted
    | PaymentAuthorized
    | AuthorizationDeclined
    | CaptureRequested
    | PaymentCaptured
    | CaptureFailed
    | CaptureReversed
    | PspFeeAdjusted
    | FundsMadeAvailable
    | RefundRequested
    | PaymentRefunded
    | RefundFailed
    | RefundReversed
    | CancellationRequested
    | CancellationFailed
    | AuthorizationVoided
    | AuthorizationExpired
    | PaymentCanceled
    | PspOutcomeUnknown
    | ManualCaseOpened
    | LateSuccessReceived
    | LateSuccessReversed
)
Event = MerchantEvent | PaymentIntentEvent

EVENT_TYPES: Final[dict[str, type[Event]]] = {event_type.__name__: event_type for event_type in get_args(Event)}

__all__ = [
    "EVENT_TYPES",
    "ApiKeyIssued",
    "ApiKeyRevoked",
    "AuthorizationDeclined",
    "AuthorizationExpired",
    "AuthorizationRequested",
    "AuthorizationVoided",
    "CancellationFailed",
    "CancellationRequested",
    "CaptureFailed",
    "CaptureRequested",
    "CaptureReversed",
    "Event",
    "FeePlanSet",
    "FundsMadeAvailable",
    "LateSuccessReceived",
    "LateSuccessReversed",
    "ManualCaseOpened",
    "MerchantEvent",
    "MerchantRegistered",
    "PaymentAuthorized",
    "PaymentCanceled",
    "PaymentCaptured",
    "PaymentIntentCreated",
    "PaymentIntentEvent",
    "PaymentRefunded",
    "PspAttemptStarted",
    "PspFeeAdjusted",
    "PspOutcomeUnknown",
    "RefundFailed",
    "RefundRequested",
    "RefundReversed",
    "SettlementDelaySet",
]
