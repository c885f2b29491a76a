"""Folding: every event of a payment intent has its fold, and folds change nothing but the state they return."""

from typing import get_args

import pytest

from aggregates import payment_intent
from aggregates.payment_intent.evolution import FOLDS
from schemas.events import MerchantRegistered, PaymentIntentEvent
from tests.aggregates.commands import (
    DEMO_PLAN,
    authorized,
    cancel,
    capture,
    create,
    refund,
)
from tests.aggregates.scenario import (
    Scenario,
    given,
)


def test_every_event_of_a_payment_intent_has_a_fold() -> None:
    assert set(FOLDS) == set(get_args(PaymentIntentEvent))


def test_an_event_of_another_aggregate_is_a_defect() -> None:
    with pytest.raises(KeyError):
        Scenario().recording([MerchantRegistered(name="x", country="DE")])


def test_a_state_that_was_handed_out_never_changes() -> None:
    scenario = given(create(plan=DEMO_PLAN, authorize="authorize"))
    seen = []
    for command in [*authorized(plan=DEMO_PLAN)[1:], *capture(6000), *cancel(4000), *refund(1000)]:
        before = scenario.state
        kept = (before, payment_intent.resource(before), dict(before.operations), dict(before.lots))
        seen.append(kept)
        scenario = scenario.given(command)
    for state, shown, operations, lots in seen:
        assert payment_intent.resource(state) == shown
        assert (state.operations, state.lots) == (operations, lots)


def test_the_state_before_the_first_event_does_not_exist() -> None:
    state = payment_intent.initial()
    assert (state.exists, state.version, state.operations, state.lots) == (False, 0, {}, {})
    assert payment_intent.initial() is state
