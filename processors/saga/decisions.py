"""Which steps an event of the log makes necessary. Pure; ids are derived, so that the same event gives the same steps."""

from typing import Final
from uuid import UUID

from processors.saga.steps import Kind, NewStep
from schemas.events import (
    AuthorizationRequested,
    CancellationRequested,
    CaptureRequested,
    LateSuccessReceived,
    PaymentAuthorized,
    PaymentCaptured,
    RefundRequested,
)
from schemas.identifiers import derived_id
from schemas.records import RecordedEvent

FIRST_ATTEMPT: Final = 1

# What the saga has to read of the log; all else passes by undecoded.
SCHEDULING_TYPES: Final = frozenset(
    event_type.__name__
    for event_type in (
        AuthorizationRequested,
        CaptureRequested,
        RefundRequested,
        CancellationRequested,
        LateSuccessReceived,
        PaymentAuthorized,
        PaymentCaptured,
    )
)


def attempt_id_of(shard: int, operation_id: UUID, attempt_no: int) -> UUID:
    """The id of the `attempt_no`-th attempt (from 1) at an operation."""
    return derived_id(shard, operation_id, attempt_no)


def steps_for(recorded: RecordedEvent, *, delay_scale: float) -> tuple[NewStep, ...]:
    """The steps that `recorded` makes necessary, due at the event's own time or scaled from it.

    A late success is undone by an attempt of its own, numbered within the attempt that came late.
    """
    match recorded.event:
        case (
            AuthorizationRequested(operation_id=operation_id)
            | CaptureRequested(operation_id=operation_id)
            | RefundRequested(operation_id=operation_id)
            | CancellationRequested(operation_id=operation_id)
        ):
            return (_first(recorded, "call", attempt_id_of(recorded.shard, operation_id, FIRST_ATTEMPT), operation_id),)
        case LateSuccessReceived(result=result):
            undoing = attempt_id_of(recorded.shard, result.attempt_id, FIRST_ATTEMPT)
            return (_first(recorded, "call", undoing, result.operation_id, target=result.attempt_id),)
        case PaymentAuthorized(result=result, expires_at=int(expires_at)):
            due_at = scaled(recorded.recorded_at, expires_at, delay_scale)
            return (_first(recorded, "expiry", result.operation_id, result.operation_id, due_at=due_at),)
        case PaymentCaptured(result=result, capture_id=capture_id, available_on=available_on):
            due_at = scaled(recorded.recorded_at, available_on, delay_scale)
            return (_first(recorded, "availability", capture_id, result.operation_id, due_at=due_at),)
        case _:
            return ()


def scaled(start_ms: int, end_ms: int, delay_scale: float) -> int:
    """The time (Unix ms) at which something due at `end_ms` is due when every delay is `delay_scale` as long."""
    return start_ms + round(max(end_ms - start_ms, 0) * delay_scale)


def _first(
    recorded: RecordedEvent,
    kind: Kind,
    subject: UUID,
    operation_id: UUID,
    *,
    target: UUID | None = None,
    due_at: int | None = None,
) -> NewStep:
    return NewStep(
        subject=subject,
        kind=kind,
        try_no=1,
        round_no=1,
        shard=recorded.shard,
        stream_id=recorded.stream_id,
        operation_id=operation_id,
        target=target,
        cause_id=recorded.event_id,
        traceparent=recorded.envelope.traceparent,
        in_doubt=False,
        due_at=recorded.recorded_at if due_at is None else due_at,
    )
