"""The key of an outcome: the same answer is told once, and no other answer hides behind it."""

import pytest
from msgspec.structs import replace

from aggregates.payment_intent.commands import PspOutcome, RecordOutcome
from processors.psp.declines import decline
from processors.psp.provider import Answer
from processors.saga.ladder import Approved, Negative
from processors.saga.outcomes import outcome_key, outcome_of
from schemas.events import AuthorizationDeclined, PaymentAuthorized, PaymentCaptured
from schemas.events.psp import Decline, PspFee
from tests.aggregates.commands import T0, approved, create, named, refused, request_authorization, start
from tests.aggregates.scenario import given, only

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


@pytest.mark.parametrize(
    ("told", "kept"), [(25, PspFee(amount=25, currency="EUR", status="known")), (0, None), (None, None)]
)
def test_what_a_psp_charges_for_a_decline_is_recorded(told: int | None, kept: PspFee | None) -> None:
    asked = given(create(), request_authorization(), start("authorize", "authorize"))
    (attempt,) = asked.state.attempts.values()
    reason = decline("do_not_honor")
    no = Answer(
        approved=False,
        amount=10_000,
        currency="EUR",
        psp_reference="pay_1",
        psp_operation_reference="pay_1",
        fee=told,
        decline=reason,
    )
    outcome = outcome_of(attempt, Negative(decline=reason, answer=no, resolved_by="http"), currency="EUR", tries=1)
    declined = asked.when(RecordOutcome(attempt_id=attempt.id, outcome=outcome, now_ms=T0)).then(AuthorizationDeclined)
    assert only(AuthorizationDeclined, declined).psp_fee == kept


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (2_500, PspFee(amount=25, currency="ISK", status="known")),
        (2_550, PspFee(amount=0, currency="ISK", status="unknown")),
    ],
)
@pytest.mark.parametrize("approved", [True, False])
def test_a_fee_that_our_units_cannot_say_is_unknown_and_keeps_no_outcome_from_the_log(
    told: int, kept: PspFee, *, approved: bool
) -> None:
    # Stripe writes ISK with two decimals and ISO 4217 with none.
    asked = given(
        create(currency="ISK", capture_method="automatic"), request_authorization(), start("authorize", "authorize")
    )
    (attempt,) = (replace(each, psp="stripe") for each in asked.state.attempts.values())
    reason = None if approved else decline("do_not_honor")
    answer = Answer(
        approved=approved,
        amount=1_000_000,
        currency="ISK",
        psp_reference="pay_1",
        psp_operation_reference="pay_1",
        fee=told,
        decline=reason,
    )
    verdict = (
        Approved(answer=answer, resolved_by="http")
        if reason is None
        else Negative(decline=reason, answer=answer, resolved_by="http")
    )
    outcome = outcome_of(attempt, verdict, currency="ISK", tries=1)
    assert outcome.fee == kept
    outcome = with_result(outcome, psp="simulator")
    ended = asked.when(RecordOutcome(attempt_id=attempt.id, outcome=outcome, now_ms=T0))
    if approved:
        assert only(PaymentCaptured, ended.then(PaymentAuthorized, PaymentCaptured)).psp_fee == outcome.fee
    else:
        assert only(AuthorizationDeclined, ended.then(AuthorizationDeclined)).psp_fee == outcome.fee
