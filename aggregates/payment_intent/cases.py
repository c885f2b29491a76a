"""Cases: what no machine can settle, put before a person."""

from aggregates.payment_intent.commands import OpenCase, PspOutcome, Words
from aggregates.payment_intent.state import Attempt, LateSuccess, PaymentIntent
from schemas.errors import NotFound
from schemas.events import Event, ManualCaseOpened
from schemas.events.psp import PspResult
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


def contradiction(state: PaymentIntent, attempt: Attempt, told: Words, *, exposure: int, reason: str) -> list[Event]:
    """A PSP's word against what is known: nothing is guessed, a case is opened (ADR 12).

    The case's id is derived from the attempt and from what was `told`: the same word again opens nothing, however it
    comes; another word opens a case of its own, whatever else is open. An attempt's answer closes the cases before it,
    so whether there is one belongs to the id: what is told again after that is news.
    """
    case_id = derived_id(shard_of(attempt.id), "case", attempt.id, int(attempt.open), reason, *told)
    if case_id in state.open_cases:
        return []
    return [ManualCaseOpened(case_id=case_id, attempt_id=attempt.id, exposure=exposure, reason=reason)]


def same_payment(outcome: PspOutcome, known: Attempt | LateSuccess, *, amount: int) -> bool:
    """Whether an approval may be of the payment at the PSP that is `known`; what either leaves out tells nothing."""
    told = outcome.result
    pairs = (
        (told.psp_reference, known.psp_reference),
        (told.psp_operation_reference, known.psp_operation_reference),
    )
    return outcome.amount == amount and all(new is None or old is None or new == old for new, old in pairs)


def check_belongs(result: PspResult, attempt: Attempt) -> None:
    """What a PSP says of an attempt names it; anything else is a defect of whoever took it down."""
    assert result.attempt_id == attempt.id, "an answer belongs to its attempt"
    assert result.operation_id == attempt.operation_id, "an answer belongs to its operation"
