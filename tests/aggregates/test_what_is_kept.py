"""What a payment intent keeps for those who read it: the saga finds it at the PSP again, the merchant sees its words."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.state import Authorization, FundingSlice, Operation
from schemas.errors import InvalidState, OperationInProgress
from schemas.events import AuthorizationVoided, PaymentAuthorized, PaymentCanceled, PaymentRefunded
from schemas.events.psp import CardFacts
from tests.aggregates.commands import (
    CARD,
    T0,
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
from tests.aggregates.scenario import Scenario, given, only

FACTS = {
    "approval_code": "A1",
    "avs": "Y",
    "cvc_result": "M",
    "eci": "05",
    "liability_shift": True,
    "card": CardFacts(scheme="visa", country="DE", funding="debit"),
}


def test_what_the_psp_says_of_an_authorization_stands_in_the_event() -> None:
    said = approved("authorize", 10_000)
    said = replace(said, outcome=replace(said.outcome, **FACTS))
    scenario = given(create(authorize="authorize"), start("authorize", "authorize"), said)
    event = only(PaymentAuthorized, scenario)
    assert {name: getattr(event, name) for name in FACTS} == FACTS


def test_what_the_bank_needs_to_find_a_refund_stands_in_the_event() -> None:
    said = approved("refund", 5000)
    said = replace(said, outcome=replace(said.outcome, arn="7483"))
    scenario = given(authorized(), capture(6000), request_refund(5000), start("refund", "refund"), said)
    assert only(PaymentRefunded, scenario).arn == "7483"


def test_an_authorization_is_found_at_its_psp() -> None:
    scenario = given(authorized())
    assert scenario.state.authorization == Authorization(
        operation_id=named("authorize"),
        attempt_id=named("authorize.1"),
        psp="simulator",
        psp_account="main",
        psp_reference="pay_1",
        network_reference="net_1",
        authorized_at=T0 + scenario.state.version,
    )


def test_a_capture_is_found_at_its_psp() -> None:
    scenario = given(authorized(), capture(6000))
    kept = scenario.state.captures[named("capture.capture")]
    assert (kept.operation_id, kept.attempt_id) == (named("capture"), named("capture.1"))
    assert (kept.psp_reference, kept.psp_operation_reference) == ("pay_1", "op-capture.1")
    failed = given(authorized(), request_capture(6000), start("capture", "capture"), refused("capture"))
    assert failed.state.captures[named("capture.capture")].attempt_id == named("capture.1")


def operation_of(scenario: Scenario, name: str) -> Operation:
    return scenario.state.operations[named(name)]


def test_an_authorization_keeps_how_it_is_paid_and_who_began_it() -> None:
    scenario = given(create(), replace(request_authorization(), initiator="mit"))
    kept = operation_of(scenario, "authorize")
    assert (kept.payment_method, kept.initiator) == (CARD, "mit")
    assert kept.requested_at == T0 + scenario.state.version


@pytest.mark.parametrize("livemode", [True, False])
def test_an_intent_is_of_the_mode_it_was_created_in(*, livemode: bool) -> None:
    [created] = given(create()).history
    live = replace(created, envelope=replace(created.envelope, livemode=livemode))
    assert payment_intent.evolve(payment_intent.initial(), live).livemode is livemode


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            request_capture(500),
            Operation(
                id=named("capture"), kind="capture", amount=500, requested_at=0, capture_id=named("capture.capture")
            ),
        ),
        (
            request_refund(500, "refund"),
            Operation(
                id=named("refund"),
                kind="refund",
                amount=500,
                requested_at=0,
                refund_id=named("refund.refund"),
                reason="customer_request",
            ),
        ),
        (
            request_cancellation(),
            Operation(id=named("cancel"), kind="void", amount=9000, requested_at=0, reason="out_of_stock"),
        ),
    ],
)
def test_an_operation_keeps_what_was_asked_and_when(command: payment_intent.Command, expected: Operation) -> None:
    scenario = given(authorized(), capture(1000, "first")).given(command)
    assert scenario.state.operations[expected.id] == replace(expected, requested_at=T0 + scenario.state.version)


def test_each_movement_names_the_operation_that_asked_for_it() -> None:
    scenario = given(authorized(), capture(1000, "first"), request_capture(500), request_refund(400))
    assert scenario.state.captures[named("capture.capture")].operation_id == named("capture")
    refund = scenario.state.refunds[named("refund.refund")]
    assert refund.operation_id == named("refund")
    assert refund.funding == (FundingSlice("merchant_pending", named("first.capture"), 400),)


def test_a_cancellation_that_asked_no_psp_is_an_operation_that_has_ended() -> None:
    scenario = given(create(), request_cancellation())
    version = scenario.state.version
    assert operation_of(scenario, "cancel") == Operation(
        id=named("cancel"),
        kind="void",
        amount=0,
        requested_at=T0 + version,
        ended_version=version,
        reason="out_of_stock",
    )


def test_the_reason_of_a_cancellation_stands_in_all_it_causes() -> None:
    scenario = given(authorized(), cancel(10_000))
    assert only(AuthorizationVoided, scenario).reason == "out_of_stock"
    assert only(PaymentCanceled, scenario).reason == "out_of_stock"


def test_a_refused_cancellation_says_when_it_could_be_asked_for() -> None:
    given(authorized(), capture(10_000)).when(request_cancellation()).rejected(
        InvalidState,
        current_status="captured",
        allowed=["created", "declined", "authorized", "partially_captured", "partially_refunded"],
    )


@pytest.mark.parametrize(
    ("paid", "asked"),
    [
        ([*capture(10_000), *refund(5000)], request_capture(1, "more")),
        ([*capture(10_000), *refund(5000)], request_cancellation()),
        ([*capture(5000), *refund(5000)], request_refund(1, "more")),
    ],
    ids=["capture", "cancellation", "refund"],
)
def test_where_an_amount_is_missing_no_status_is_named(
    paid: list[payment_intent.Command], asked: payment_intent.Command
) -> None:
    given(authorized(), paid).when(asked).rejected(InvalidState, current_status="partially_refunded", allowed=[])


def test_the_merchants_own_words_are_shown() -> None:
    asked = replace(create(), statement_descriptor="BLUMEN BECKER", return_url="https://shop.example/back")
    shown = payment_intent.resource(given(asked).state)
    assert (shown.statement_descriptor, shown.return_url) == ("BLUMEN BECKER", "https://shop.example/back")


def test_a_no_to_a_capture_is_shown_though_an_earlier_authorization_was_declined() -> None:
    scenario = given(create(authorize="first"), start("first", "authorize"), refused("first"))
    scenario = scenario.given(request_authorization("second"), start("second", "authorize"))
    scenario = scenario.given(approved("second", 10_000), request_capture(6000), start("capture", "capture"))
    said = refused("capture")
    assert said.outcome.decline is not None
    told = replace(said.outcome.decline, code="processing_error", advice_code="03")
    said = replace(said, outcome=replace(said.outcome, decline=told))
    shown = payment_intent.resource(scenario.given(said).state).last_payment_error
    assert shown is not None
    assert (shown.code, shown.advice_code) == ("processing_error", "03")


def test_a_hold_of_which_one_cent_is_left_is_not_captured_whole() -> None:
    scenario = given(authorized(), capture(9999))
    assert (scenario.state.status, scenario.state.capturable) == ("partially_captured", 1)


def test_the_last_cent_of_a_lot_pays_for_a_refund() -> None:
    scenario = given(authorized(), capture(1), request_refund(1))
    funding = scenario.state.refunds[named("refund.refund")].funding
    assert funding == (FundingSlice("merchant_pending", named("capture.capture"), 1),)


def test_a_final_capture_of_one_cent_holds_up_the_others_too() -> None:
    scenario = given(authorized(), request_capture(1, "last", final=True))
    assert scenario.state.capturable == 0
    scenario.when(request_capture(1)).rejected(OperationInProgress)


@pytest.mark.parametrize("command", [request_capture(0), request_refund(0)])
def test_nothing_is_neither_captured_nor_refunded(command: payment_intent.Command) -> None:
    with pytest.raises(AssertionError):
        given(authorized(), capture(1000, "first")).when(command)
