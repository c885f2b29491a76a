"""Cases: what no machine can settle, put before a person."""

from uuid import UUID

from aggregates.payment_intent.commands import OpenCase
from aggregates.payment_intent.state import PaymentIntent
from schemas.errors import NotFound
from schemas.events import Event, ManualCaseOpened
from schemas.identifiers import derived_id, shard_of


def open_case(command: OpenCase, state: PaymentIntent) -> list[Event]:
    """Everything automatic was tried. An attempt that has ended, or has an open case, needs none.

    Raises:
        NotFound: no such attempt.
    """
    attempt = state.attempts.get(command.attempt_id)
    if attempt is None:
        raise NotFound("This payment intent has no such attempt.")
    if not attempt.open or state.case_of(attempt.id) is not None:
        return []
    return [
        ManualCaseOpened(case_id=command.case_id, attempt_id=attempt.id, exposure=attempt.amount, reason=command.reason)
    ]


def contradiction(
    state: PaymentIntent, *, attempt_id: UUID, case_id: UUID | None, exposure: int, reason: str
) -> list[Event]:
    """A PSP's word against what is known: nothing is guessed, a case is opened, one for each attempt.

    Where the command brings no id for it, the case's id is derived from the attempt.
    """
    if state.case_of(attempt_id) is not None:
        return []
    identifier = case_id if case_id is not None else derived_id(shard_of(attempt_id), "case", attempt_id, reason)
    return [ManualCaseOpened(case_id=identifier, attempt_id=attempt_id, exposure=exposure, reason=reason)]
