"""The key of an outcome: the same answer is told once, and no other answer hides behind it."""

import pytest
from msgspec.structs import replace

from aggregates.payment_intent.commands import PspOutcome
from processors.saga.outcomes import outcome_key
from schemas.events.psp import Decline
from tests.aggregates.commands import approved, named, refused

YES = approved("authorize", 10_000).outcome
NO = refused("authorize").outcome
ATTEMPT = named("authorize.1")


def with_result(outcome: PspOutcome, **told: object) -> PspOutcome:
    return replace(outcome, result=replace(outcome.result, **told))


@pytest.mark.parametrize("outcome", [YES, NO])
def test_how_and_when_an_answer_came_makes_it_no_other(outcome: PspOutcome) -> None:
    again = with_result(outcome, resolved_by="inquiry", tries=7, psp_processed_at=1, raw_sha256="2" * 64)
    assert outcome_key(ATTEMPT, again) == outcome_key(ATTEMPT, outcome)


@pytest.mark.parametrize("outcome", [YES, NO])
def test_what_an_answer_says_makes_it_another(outcome: PspOutcome) -> None:
    others = [
        with_result(outcome, psp="other"),
        with_result(outcome, psp_reference="pay_2"),
        with_result(outcome, psp_operation_reference="op_2"),
        replace(outcome, amount=outcome.amount + 1),
    ]
    if isinstance(outcome.decline, Decline):
        others.append(replace(outcome, decline=replace(outcome.decline, code="lost_card")))
    keys = {outcome_key(ATTEMPT, one) for one in [outcome, *others]}
    assert len(keys) == len(others) + 1
    assert outcome_key(named("another"), outcome) not in keys
