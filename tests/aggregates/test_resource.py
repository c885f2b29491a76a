"""The public object: the example of the contract, field by field, and what operations lead to."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from schemas.events.payment_intent import PspOperation
from schemas.identifiers import Prefix, public_id
from tests.aggregates.commands import (
    DECLINED,
    DEMO_PLAN,
    approved,
    authorized,
    cancel,
    capture,
    create,
    named,
    refund,
    refused,
    request_authorization,
    request_cancellation,
    request_capture,
    request_refund,
    start,
)
from tests.aggregates.scenario import (
    MERCHANT,
    STREAM,
    given,
)


@pytest.fixture
def worked_case() -> dict[str, Any]:
    """The payment intent of the contract's worked case as its JSON shows it."""
    scenario = given(
        authorized(plan=DEMO_PLAN), capture(6000, "first", fee=66), capture(3000, fee=33), cancel(1000), refund(5000)
    )
    shown: dict[str, Any] = msgspec.to_builtins(payment_intent.resource(scenario.state))
    return shown


def test_the_worked_case_as_the_contract_shows_it(worked_case: dict[str, Any]) -> None:
    parts = {"captures", "refunds", "attempts"}
    assert parts < worked_case.keys()
    assert {name: value for name, value in worked_case.items() if name not in parts} == {
        "id": public_id(Prefix.PAYMENT_INTENT, STREAM),
        "object": "payment_intent",
        "merchant_id": public_id(Prefix.MERCHANT, MERCHANT),
        "livemode": False,
        "status": "partially_refunded",
        "amount": 10_000,
        "currency": "EUR",
        "capture_method": "manual",
        "amount_authorized": 10_000,
        "amount_captured": 9000,
        "captured_amount": 9000,
        "amount_refunded": 5000,
        "amount_released": 1000,
        "amount_capturable": 0,
        "amount_capture_pending": 0,
        "amount_refund_pending": 0,
        "reference": "order-17",
        "statement_descriptor": None,
        "metadata": {"cart": "8812"},
        "payment_method": {"type": "card", "brand": "visa", "last4": "4242"},
        "next_action": None,
        "last_payment_error": None,
        "return_url": None,
        "created_at": "2026-09-21T14:13:20.001Z",
        "authorized_at": "2026-09-21T14:13:20.004Z",
        "captured_at": "2026-09-21T14:13:20.010Z",
        "refunded_at": "2026-09-21T14:13:20.016Z",
        "canceled_at": None,
        "expires_at": "2026-09-28T14:13:20.000Z",
        "version": 16,
    }


def test_the_captures_of_the_worked_case(worked_case: dict[str, Any]) -> None:
    first, second = worked_case["captures"]
    assert first == {
        "id": public_id(Prefix.CAPTURE, named("first.capture")),
        "amount": 6000,
        "final": False,
        "status": "succeeded",
        "created_at": "2026-09-21T14:13:20.005Z",
        "captured_at": "2026-09-21T14:13:20.007Z",
        "available_on": "2026-09-23T14:13:20.000Z",
        "platform_fee": 204,
        "psp_fee": 66,
    }
    assert (second["platform_fee"], second["psp_fee"]) == (87, 33)


def test_the_refund_of_the_worked_case(worked_case: dict[str, Any]) -> None:
    (refunded,) = worked_case["refunds"]
    assert refunded == {
        "id": public_id(Prefix.REFUND, named("refund.refund")),
        "object": "refund",
        "payment_intent_id": public_id(Prefix.PAYMENT_INTENT, STREAM),
        "amount": 5000,
        "status": "refunded",
        "reason": "customer_request",
        "created_at": "2026-09-21T14:13:20.014Z",
        "refunded_at": "2026-09-21T14:13:20.016Z",
    }


def test_the_attempts_of_the_worked_case(worked_case: dict[str, Any]) -> None:
    attempts = worked_case["attempts"]
    assert [attempt["operation"] for attempt in attempts] == ["authorize", "capture", "capture", "void", "refund"]
    assert attempts[0] == {
        "id": public_id(Prefix.ATTEMPT, named("authorize.1")),
        "operation": "authorize",
        "psp": "simulator",
        "status": "succeeded",
        "psp_reference": "pay_1",
        "started_at": "2026-09-21T14:13:20.003Z",
        "ended_at": "2026-09-21T14:13:20.004Z",
    }


def test_what_has_not_happened_is_null() -> None:
    shown = payment_intent.resource(given(create()).state)
    assert shown.payment_method is None
    assert (shown.authorized_at, shown.captured_at, shown.refunded_at, shown.canceled_at) == (None, None, None, None)
    assert (shown.captures, shown.refunds, shown.attempts) == ((), (), ())


def test_a_decline_is_shown_until_an_authorization_succeeds() -> None:
    declined = given(create(authorize="authorize"), start("authorize", "authorize"), refused("authorize"))
    error = payment_intent.resource(declined.state).last_payment_error
    assert error is not None
    assert (error.code, error.category, error.network_code, error.retryable) == ("do_not_honor", "soft", "05", True)

    approved_later = declined.given(
        request_authorization("again"), start("again", "authorize"), approved("again", 10_000)
    )
    assert payment_intent.resource(approved_later.state).last_payment_error is None


@pytest.mark.parametrize(
    ("paid", "request_", "operation"),
    [
        (authorized(), request_capture(6000, "refused"), "capture"),
        (authorized(), request_cancellation("refused"), "void"),
        ([*authorized(), *capture(6000, "first")], request_refund(1000, "refused"), "refund"),
    ],
    ids=["capture", "void", "refund"],
)
def test_the_newest_no_of_any_operation_is_shown(
    paid: list[payment_intent.Command], request_: payment_intent.Command, operation: PspOperation
) -> None:
    told = replace(DECLINED, code="card_expired", category="hard", retryable=False)
    failed = given(paid, request_, start("refused", operation), refused("refused", decline=told))
    error = payment_intent.resource(failed.state).last_payment_error
    assert error is not None
    assert (error.code, error.category, error.retryable) == ("card_expired", "hard", False)
    assert failed.state.last_decline is None


@pytest.mark.parametrize(("sooner", "later"), [("first", "second"), ("second", "first")])
def test_of_several_the_no_that_was_told_last_is_shown(sooner: str, later: str) -> None:
    both = given(
        authorized(),
        request_capture(1000, "first"),
        request_capture(1000, "second"),
        start("first", "capture"),
        start("second", "capture"),
        refused(sooner, decline=replace(DECLINED, code="card_expired")),
        refused(later),
    )
    error = payment_intent.resource(both.state).last_payment_error
    assert error is not None
    assert error.code == "do_not_honor"


def test_movements_on_their_way_and_those_that_failed() -> None:
    pending = given(authorized(), request_capture(6000), start("capture", "capture"))
    shown = payment_intent.resource(pending.state)
    assert (shown.amount_capture_pending, shown.amount_capturable) == (6000, 4000)
    (on_its_way,) = shown.captures
    assert (on_its_way.status, on_its_way.captured_at, on_its_way.platform_fee, on_its_way.psp_fee) == (
        "processing",
        None,
        None,
        None,
    )
    (failed,) = payment_intent.resource(pending.given(refused("capture")).state).captures
    assert failed.status == "failed"


def test_a_psp_fee_that_nobody_knows_is_null() -> None:
    (captured,) = payment_intent.resource(given(authorized(), capture(6000)).state).captures
    assert (captured.platform_fee, captured.psp_fee) == (0, None)


def test_a_psp_fee_in_another_currency_is_no_amount_of_the_payments() -> None:
    billed = given(authorized(), request_capture(6000), start("capture", "capture"))
    billed = billed.given(approved("capture", 6000, fee=70, fee_currency="USD"))
    (captured,) = payment_intent.resource(billed.state).captures
    assert captured.psp_fee is None


def test_one_refund_can_be_shown_alone() -> None:
    scenario = given(authorized(), capture(6000), request_refund(5000))
    shown = payment_intent.refund_resource(scenario.state, named("refund.refund"))
    assert (shown.status, shown.amount, shown.refunded_at) == ("processing", 5000, None)
    assert payment_intent.resource(scenario.state).refunds == (shown,)
    with pytest.raises(KeyError):
        payment_intent.refund_resource(scenario.state, named("another"))


def test_operations_that_are_not_known_have_no_end() -> None:
    scenario = given(create(), request_cancellation())
    assert payment_intent.operation_ended_at(scenario.state, named("elsewhere")) is None
    assert payment_intent.operation_ended_at(payment_intent.initial(), named("create")) is None
    assert payment_intent.refund_of_operation(scenario.state, named("elsewhere")) is None
    assert payment_intent.refund_of_operation(scenario.state, named("cancel")) is None


def test_folding_up_to_the_end_of_an_operation_shows_its_own_answer() -> None:
    scenario = given(authorized(), capture(6000), refund(1000))
    ended = payment_intent.operation_ended_at(scenario.state, named("capture"))
    state = payment_intent.initial()
    for recorded in scenario.history[:ended]:
        state = payment_intent.evolve(state, recorded)
    assert payment_intent.resource(state).status == "partially_captured"
    assert scenario.state.status == "partially_refunded"
    assert state == given(authorized(), capture(6000)).state


def test_a_canceled_intent_says_when() -> None:
    shown = payment_intent.resource(
        given(authorized(), request_cancellation(), start("cancel", "void"), approved("cancel", 10_000)).state
    )
    assert (shown.status, shown.canceled_at) == ("canceled", "2026-09-21T14:13:20.008Z")
