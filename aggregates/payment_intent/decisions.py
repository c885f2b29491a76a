"""`decide`: what a command causes on a payment intent, or why not.

Each rule stands with its noun (authorizations, captures, refunds, cancellations, timers) or, for the saga's words, in
attempts, outcomes, late_successes and cases.
"""

from typing import assert_never

from aggregates.payment_intent.attempts import record_unknown, start_attempt
from aggregates.payment_intent.authorizations import request_authorization
from aggregates.payment_intent.cancellations import request_cancellation
from aggregates.payment_intent.captures import adjust_psp_fee, request_capture, reverse_capture
from aggregates.payment_intent.cases import open_case
from aggregates.payment_intent.commands import (
    AdjustPspFee,
    Command,
    CreatePaymentIntent,
    ExpireAuthorization,
    MakeFundsAvailable,
    OpenCase,
    RecordCaptureReversal,
    RecordOutcome,
    RecordRefundReversal,
    RecordUnknown,
    RequestAuthorization,
    RequestCancellation,
    RequestCapture,
    RequestRefund,
    StartAttempt,
)
from aggregates.payment_intent.creation import create
from aggregates.payment_intent.outcomes import record_outcome
from aggregates.payment_intent.refunds import request_refund, reverse_refund
from aggregates.payment_intent.state import PaymentIntent
from aggregates.payment_intent.timers import expire_authorization, make_funds_available
from schemas.errors import NotFound
from schemas.events import Event


def decide(command: Command, state: PaymentIntent) -> list[Event]:
    """The events that `command` causes; none where it has nothing left to do, as when the saga tells the same twice.

    Raises:
        Rejected: the subclass that says why not; `NotFound` for anything but a creation where nothing was created.
    """
    if isinstance(command, CreatePaymentIntent):
        return create(command, state)
    if not state.exists:
        raise NotFound
    match command:
        case RequestAuthorization():
            return request_authorization(command, state)
        case StartAttempt():
            return start_attempt(command, state)
        case RecordOutcome():
            return record_outcome(command, state)
        case RequestCapture():
            return request_capture(command, state)
        case MakeFundsAvailable():
            return make_funds_available(command, state)
        case RequestRefund():
            return request_refund(command, state)
        case RequestCancellation():
            return request_cancellation(command, state)
        case RecordUnknown():
            return record_unknown(command, state)
        case OpenCase():
            return open_case(command, state)
        case RecordCaptureReversal():
            return reverse_capture(command, state)
        case RecordRefundReversal():
            return reverse_refund(command, state)
        case AdjustPspFee():
            return adjust_psp_fee(command, state)
        case ExpireAuthorization():
            return expire_authorization(command, state)
        case _:
            assert_never(command)
