"""What all folds are made of: changed fields, and how an answered attempt and an ended operation look."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from msgspec.structs import replace

from aggregates.payment_intent.state import AttemptStatus, Case, PaymentIntent
from schemas.events.psp import Decline, PspResult
from schemas.records import RecordedEvent

Changes = dict[str, Any]
Fold = Callable[[PaymentIntent, Any, RecordedEvent], Changes]
Value = TypeVar("Value")


def with_item(mapping: Mapping[UUID, Value], key: UUID, value: Value) -> dict[UUID, Value]:
    """A copy of `mapping` in which `key` stands for `value`; a known key keeps its place."""
    return {**mapping, key: value}


def attempt_answered(
    state: PaymentIntent,
    result: PspResult,
    recorded: RecordedEvent,
    status: AttemptStatus,
    decline: Decline | None = None,
) -> Changes:
    """The attempt has its definitive answer, and no person has to look for one any more."""
    attempt = state.attempts[result.attempt_id]
    answered = replace(
        attempt,
        status=status,
        tries=max(result.tries, attempt.tries),
        psp_reference=result.psp_reference,
        psp_operation_reference=result.psp_operation_reference,
        decline=decline,
        ended_at=recorded.recorded_at,
    )
    changes: Changes = {"attempts": with_item(state.attempts, attempt.id, answered)}
    if state.open_cases:
        changes["open_cases"] = cases_but_of(state, attempt.id)
    return changes


def cases_but_of(state: PaymentIntent, attempt_id: UUID) -> dict[UUID, Case]:
    """The open cases without those of an attempt."""
    return {case_id: case for case_id, case in state.open_cases.items() if case.attempt_id != attempt_id}


def operation_ended(state: PaymentIntent, operation_id: UUID, recorded: RecordedEvent) -> Changes:
    """The operation's terminal event is this one."""
    ended = replace(state.operations[operation_id], ended_version=recorded.version)
    return {"operations": with_item(state.operations, operation_id, ended)}
