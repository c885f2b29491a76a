"""Creation and authorization: which commands are taken when, and what a yes and a no mean."""

from functools import reduce

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from schemas.errors import (
    AmountTooLarge,
    AttemptsExhausted,
    CurrencyNotSupported,
    InvalidState,
    NotFound,
    OperationInProgress,
)
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentIntentCreated,
)
from schemas.events.psp import PspFee
from tests.aggregates.commands import (
    CARD,
    DECLINED,
    DEMO_PLAN,
    HOLD_UNTIL,
    T0,
    approved,
    authorized,
    cancel,
    capture,
    create,
    named,
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
    Scenario,
    given,
    only,
)


def declined_times(count: int) -> Scenario:
    scenario = given(create())
    for number in range(count):
        name = f"authorize_{number}"
        scenario = scenario.given(request_authorization(name), start(name, "authorize"), refused(name))
    return scenario


def test_a_created_intent_keeps_all_that_later_decisions_need() -> None:
    scenario = given().when(create(2500, currency="JPY", plan=DEMO_PLAN)).then(PaymentIntentCreated)
    state = scenario.state
    assert (state.id, state.merchant_id, state.version) == (STREAM, MERCHANT, 1)
    assert (state.amount, state.currency, state.exponent, state.fee_plan) == (2500, "JPY", 0, DEMO_PLAN)
    assert state.status == "created"
    assert payment_intent.operation_ended_at(state, named("create")) == 1


def test_creation_may_ask_for_the_authorization_in_the_same_breath() -> None:
    scenario = given().when(create(authorize="authorize")).then(PaymentIntentCreated, AuthorizationRequested)
    assert scenario.state.status == "processing"
    assert payment_intent.operation_ended_at(scenario.state, named("authorize")) is None


def test_an_intent_is_created_once() -> None:
    given(create()).when(create()).rejected(InvalidState)


def test_an_amount_above_the_limit_is_refused() -> None:
    given().when(create(999_999_999_999)).then(PaymentIntentCreated)
    given().when(create(1_000_000_000_000)).rejected(AmountTooLarge)


def test_an_amount_below_one_never_gets_this_far() -> None:
    with pytest.raises(AssertionError):
        given().when(create(0))


def test_a_currency_outside_the_table_is_refused() -> None:
    given().when(create(currency="XAU")).rejected(CurrencyNotSupported)


@pytest.mark.parametrize(
    "command",
    [request_authorization(), request_capture(1), request_refund(1), request_cancellation(), start("x", "authorize")],
)
def test_nothing_but_creation_happens_to_what_does_not_exist(command: payment_intent.Command) -> None:
    given().when(command).rejected(NotFound)


def test_manual_capture_asks_for_a_hold() -> None:
    scenario = given(create()).when(request_authorization()).then(AuthorizationRequested)
    requested = only(AuthorizationRequested, scenario)
    assert (requested.kind, requested.amount, requested.capture_id) == ("hold", 10_000, None)
    assert requested.payment_method == CARD


def test_automatic_capture_asks_for_a_sale_under_a_capture_id() -> None:
    scenario = given(create(capture_method="automatic")).when(request_authorization()).then(AuthorizationRequested)
    requested = only(AuthorizationRequested, scenario)
    assert (requested.kind, requested.capture_id) == ("sale", named("authorize.sale"))


def test_a_hold_is_authorized_until_the_psp_lets_it_go() -> None:
    asked = given(create(authorize="authorize"), start("authorize", "authorize"))
    scenario = asked.when(approved("authorize", 10_000)).then(PaymentAuthorized)
    state = scenario.state
    assert state.status == "authorized"
    assert (state.authorized, state.capturable, state.expires_at) == (10_000, 10_000, HOLD_UNTIL)
    assert state.authorization is not None
    assert (state.authorization.psp, state.authorization.psp_reference) == ("simulator", "pay_1")
    assert payment_intent.operation_ended_at(state, named("authorize")) == 4


def test_a_sale_is_authorized_and_captured_in_one_breath() -> None:
    scenario = given(
        create(capture_method="automatic", plan=DEMO_PLAN, authorize="authorize"), start("authorize", "authorize")
    )
    scenario = scenario.when(approved("authorize", 10_000, fee=110)).then(PaymentAuthorized, PaymentCaptured)
    captured = only(PaymentCaptured, scenario)
    assert (captured.capture_id, captured.amount, captured.hold_released) == (named("authorize.sale"), 10_000, 10_000)
    assert (captured.final, captured.platform_fee.total, captured.psp_fee.amount) == (True, 320, 110)
    state = scenario.state
    assert state.status == "captured"
    assert (state.capturable, state.capture_pending, state.released, state.refundable) == (0, 0, 0, 10_000)
    assert payment_intent.operation_ended_at(state, named("authorize")) == 5
    half_way = reduce(payment_intent.evolve, scenario.history[:4], payment_intent.initial())
    assert payment_intent.operation_ended_at(half_way, named("authorize")) is None


def test_a_decline_may_be_followed_by_another_authorization() -> None:
    scenario = given(create(authorize="authorize"), start("authorize", "authorize"))
    scenario = scenario.when(refused("authorize", fee=10)).then(AuthorizationDeclined)
    assert only(AuthorizationDeclined, scenario).psp_fee == PspFee(amount=10, currency="EUR", status="known")
    assert scenario.state.status == "declined"
    assert scenario.state.last_decline == DECLINED
    assert payment_intent.operation_ended_at(scenario.state, named("authorize")) == 4
    again = scenario.when(request_authorization("again")).then(AuthorizationRequested)
    assert again.state.status == "processing"
    done = again.given(start("again", "authorize"), approved("again", 10_000))
    assert done.state.status == "authorized"
    assert done.state.last_decline is None


def test_a_second_authorization_waits_for_the_first() -> None:
    given(create(authorize="authorize")).when(request_authorization("again")).rejected(OperationInProgress)


def test_ten_declines_exhaust_the_attempts() -> None:
    nine = declined_times(9)
    assert nine.state.status == "declined"
    nine.when(request_authorization("tenth")).then(AuthorizationRequested)
    ten = declined_times(10)
    assert ten.state.status == "failed"
    ten.when(request_authorization("eleventh")).rejected(AttemptsExhausted)
    ten.when(request_cancellation()).rejected(InvalidState, current_status="failed")


def test_the_tenth_authorization_may_still_succeed() -> None:
    scenario = declined_times(9).given(request_authorization("tenth"), start("tenth", "authorize"))
    assert scenario.state.status == "processing"
    assert scenario.given(approved("tenth", 10_000)).state.status == "authorized"


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        (authorized(), "authorized"),
        ([*authorized(), *capture(10_000)], "captured"),
        ([*authorized(), *cancel(10_000)], "canceled"),
        ([create(), request_cancellation()], "canceled"),
    ],
)
def test_what_is_authorized_or_over_is_not_authorized_again(
    commands: list[payment_intent.Command], status: str
) -> None:
    given(commands).when(request_authorization("again")).rejected(
        InvalidState, current_status=status, allowed=["created", "declined"]
    )


def test_a_hold_without_a_deadline_is_one() -> None:
    scenario = given(create(authorize="authorize"), start("authorize", "authorize"))
    scenario = scenario.given(approved("authorize", 10_000, expires_at=None))
    assert scenario.state.expires_at is None
    assert scenario.state.status == "authorized"


def test_a_decline_without_its_reason_is_a_defect() -> None:
    scenario = given(create(authorize="authorize"), start("authorize", "authorize"))
    command = approved("authorize", 10_000)
    with pytest.raises(AssertionError):
        scenario.when(replace(command, outcome=replace(command.outcome, approved=False)))


def test_times_are_those_of_the_log() -> None:
    scenario = given(authorized())
    assert scenario.state.authorization is not None
    assert scenario.state.authorization.authorized_at == T0 + 4
