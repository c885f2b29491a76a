"""Refunds: caps, funding, restoring, fees, limits."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import MakeFundsAvailable, RecordRefundReversal
from schemas.errors import InvalidState, NotFound, OperationInProgress, RefundExceedsCaptured, TooManyOperations
from schemas.events import ManualCaseOpened, PaymentRefunded, RefundFailed, RefundRequested, RefundReversed
from schemas.events.captures import Slice
from schemas.events.fees import IntentFeePlan
from schemas.events.psp import PspFee
from schemas.events.refunds import Funding
from tests.aggregates.commands import (
    DECLINED,
    DELAY_S,
    DEMO_PLAN,
    T0,
    approved,
    authorized,
    capture,
    create,
    named,
    refund,
    refused,
    request_refund,
    result,
    start,
)
from tests.aggregates.scenario import (
    given,
    only,
)

LATER = T0 + DELAY_S * 1000
RETURNING_PLAN = IntentFeePlan(
    version=1, rate_ppm=29_000, fixed=30, refund_fee=25, returned_on_refund=True, rounding="half_up"
)


def available(name: str = "capture") -> MakeFundsAvailable:
    return MakeFundsAvailable(capture_id=named(f"{name}.capture"), now_ms=LATER)


def came_back(name: str = "refund", *, psp: str = "simulator") -> RecordRefundReversal:
    told = replace(result(name), psp=psp)
    return RecordRefundReversal(refund_id=named(f"{name}.refund"), result=told, decline=DECLINED)


def test_all_that_is_left_is_refunded_when_no_amount_is_named() -> None:
    scenario = given(authorized(), capture(10_000), refund(4000, "first")).when(request_refund(None))
    done = scenario.then(RefundRequested)
    assert only(RefundRequested, done).amount == 6000
    assert only(RefundRequested, done).psp == "simulator"
    done = done.given(start("refund", "refund"), approved("refund", 6000))
    assert done.state.status == "refunded"
    assert payment_intent.refund_of_operation(done.state, named("refund")) == named("refund.refund")


def test_two_refunds_cannot_exceed_the_capture_even_before_either_has_ended() -> None:
    given(authorized(), capture(10_000), request_refund(6000, "first")).when(request_refund(6000, "second")).rejected(
        RefundExceedsCaptured, available=4000
    )


def test_a_refund_that_failed_can_be_asked_for_again() -> None:
    scenario = given(authorized(), capture(10_000), request_refund(6000), start("refund", "refund"))
    scenario = scenario.when(refused("refund")).then(RefundFailed)
    assert (scenario.state.refundable, scenario.state.refund_pending) == (10_000, 0)
    assert scenario.state.status == "captured"
    scenario.when(request_refund(None, "again")).then(RefundRequested)


def test_all_of_nothing_left_is_in_progress_while_refunds_are_on_their_way() -> None:
    scenario = given(authorized(), capture(10_000), request_refund(10_000))
    scenario.when(request_refund(None, "again")).rejected(OperationInProgress)
    scenario.when(request_refund(1, "again")).rejected(RefundExceedsCaptured, available=0)


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([create()], "created"),
        (authorized(), "authorized"),
        ([*authorized(), *capture(10_000), *refund(10_000, "first")], "refunded"),
    ],
)
def test_only_captured_money_can_be_refunded(commands: list[payment_intent.Command], status: str) -> None:
    given(commands).when(request_refund(1)).rejected(
        InvalidState, current_status=status, allowed=["captured", "partially_captured", "partially_refunded"]
    )


def test_a_hundred_refunds_are_the_most() -> None:
    scenario = given(authorized(), capture(10_000))
    for number in range(100):
        scenario = scenario.given(refund(1, f"refund_{number}"))
    assert scenario.state.refunded == 100
    scenario.when(request_refund(1)).rejected(TooManyOperations)


def test_funding_takes_pending_lots_oldest_first_then_what_is_available() -> None:
    scenario = given(authorized(), capture(2000, "first"), capture(3000, "second"), capture(1000, "third"))
    scenario = scenario.given(available("second")).when(request_refund(4500)).then(RefundRequested)
    assert only(RefundRequested, scenario).funding == (
        Funding(source="merchant_pending", capture_id=named("first.capture"), amount=2000),
        Funding(source="merchant_pending", capture_id=named("third.capture"), amount=1000),
        Funding(source="merchant_available", capture_id=None, amount=1500),
    )


def test_fees_are_not_in_a_lot_so_available_money_may_go_negative() -> None:
    scenario = given(authorized(plan=DEMO_PLAN), capture(10_000)).when(request_refund(None)).then(RefundRequested)
    assert only(RefundRequested, scenario).funding == (
        Funding(source="merchant_pending", capture_id=named("capture.capture"), amount=9680),
        Funding(source="merchant_available", capture_id=None, amount=320),
    )


def test_a_lot_below_zero_pays_for_nothing() -> None:
    scenario = given(authorized(plan=DEMO_PLAN), capture(10, "tiny"))
    assert scenario.state.lots[named("tiny.capture")].rest == -20
    scenario = scenario.when(request_refund(10)).then(RefundRequested)
    assert only(RefundRequested, scenario).funding == (
        Funding(source="merchant_available", capture_id=None, amount=10),
    )


def test_a_failed_refund_goes_back_to_where_it_was_taken() -> None:
    scenario = given(authorized(), capture(2000, "first"), capture(3000, "second"), request_refund(4000))
    scenario = scenario.given(start("refund", "refund")).when(refused("refund")).then(RefundFailed)
    assert only(RefundFailed, scenario).restored == (
        Slice(account="merchant_pending", capture_id=named("first.capture"), amount=2000),
        Slice(account="merchant_pending", capture_id=named("second.capture"), amount=2000),
    )
    assert [lot.rest for lot in scenario.state.lots.values()] == [2000, 3000]


def test_a_failed_refund_goes_to_what_is_available_if_the_lot_has_become_so() -> None:
    scenario = given(authorized(), capture(2000, "first"), capture(3000, "second"), request_refund(4000))
    scenario = scenario.given(available("first"), start("refund", "refund")).when(refused("refund")).then(RefundFailed)
    assert only(RefundFailed, scenario).restored == (
        Slice(account="merchant_available", capture_id=None, amount=2000),
        Slice(account="merchant_pending", capture_id=named("second.capture"), amount=2000),
    )
    assert scenario.state.lots[named("first.capture")].rest == 0


def test_the_platform_fee_stays_unless_the_plan_says_otherwise() -> None:
    scenario = given(authorized(plan=DEMO_PLAN), capture(10_000), refund(10_000))
    assert only(PaymentRefunded, scenario).platform_fee_returned == 0


def test_the_platform_fee_comes_back_in_proportion_where_the_plan_says_so() -> None:
    scenario = given(authorized(plan=RETURNING_PLAN), capture(10_000), refund(3333, "first"))
    assert only(PaymentRefunded, scenario).platform_fee_returned == 107
    assert only(PaymentRefunded, scenario).refund_fee == 25
    scenario = scenario.given(refund(3333, "second"), refund(3334, "third"))
    assert scenario.state.fee_returned_on_refunds == 320


def test_a_refund_that_came_back_is_reversed_once_and_can_be_tried_again() -> None:
    scenario = given(authorized(plan=RETURNING_PLAN), capture(10_000), refund(4000))
    returned = scenario.state.fee_returned_on_refunds
    scenario = scenario.when(came_back()).then(RefundReversed)
    assert only(RefundReversed, scenario).restored == (
        Slice(account="merchant_pending", capture_id=named("capture.capture"), amount=4000),
    )
    assert (scenario.state.refundable, scenario.state.status) == (10_000, "captured")
    assert scenario.state.refunds[named("refund.refund")].status == "reversed"
    scenario.when(came_back()).nothing()
    # The fee that went back with it is not returned a second time.
    again = scenario.given(refund(4000, "again"))
    assert only(PaymentRefunded, again).platform_fee_returned == 0
    assert again.state.fee_returned_on_refunds == returned


def test_what_cannot_come_back() -> None:
    captured = given(authorized(), capture(10_000))
    captured.when(came_back()).rejected(NotFound)
    pending = captured.given(request_refund(4000), start("refund", "refund"))
    pending.when(came_back()).rejected(InvalidState, current_status="captured", allowed=[])
    failed = pending.given(refused("refund"))
    failed = failed.when(came_back()).then(ManualCaseOpened)
    assert only(ManualCaseOpened, failed).reason == "reversal_of_failed_refund"
    failed.when(came_back()).nothing()


def test_a_psp_fee_of_a_refund_is_kept_where_it_is_named() -> None:
    scenario = given(authorized(), capture(10_000), request_refund(4000), start("refund", "refund"))
    cost = only(PaymentRefunded, scenario.given(approved("refund", 4000, fee=12))).psp_fee
    assert cost is not None
    assert cost.amount == 12
    assert only(PaymentRefunded, scenario.given(approved("refund", 4000))).psp_fee is None


def test_a_psp_fee_of_a_refund_is_kept_in_the_currency_it_is_named_in() -> None:
    scenario = given(authorized(), capture(10_000), request_refund(4000), start("refund", "refund"))
    cost = only(PaymentRefunded, scenario.given(approved("refund", 4000, fee=12, fee_currency="USD"))).psp_fee
    assert cost == PspFee(amount=12, currency="USD", status="known")


def test_no_psp_refunds_but_the_one_that_has_the_money() -> None:
    asked = given(authorized(), capture(10_000), request_refund(4000))
    asked.when(replace(start("refund", "refund"), psp="other")).rejected(InvalidState, current_status="captured")


@pytest.mark.parametrize("answer", [approved("refund", 4000, psp="other"), refused("refund", psp="other")])
def test_an_answer_of_another_psp_neither_refunds_nor_fails(answer: payment_intent.Command) -> None:
    asked = given(authorized(), capture(10_000), request_refund(4000), start("refund", "refund"))
    doubted = asked.when(answer).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure, opened.attempt_id) == ("psp_mismatch", 4000, named("refund.1"))
    assert doubted.state.refund_pending == 4000
    doubted.given(approved("refund", 4000)).when(came_back()).then(RefundReversed)


def test_a_refund_comes_back_only_from_the_psp_that_made_it() -> None:
    refunded = given(authorized(), capture(10_000), refund(4000))
    doubted = refunded.when(came_back(psp="other")).then(ManualCaseOpened)
    assert only(ManualCaseOpened, doubted).reason == "psp_mismatch"
    assert doubted.state.refunded == 4000
    doubted.when(came_back(psp="other")).nothing()


@pytest.mark.parametrize("field", ["attempt_id", "operation_id"])
def test_a_refund_that_came_back_elsewhere_is_a_defect(field: str) -> None:
    told = came_back()
    elsewhere = replace(told, result=replace(told.result, **{field: named("elsewhere")}))
    with pytest.raises(AssertionError):
        given(authorized(), capture(10_000), refund(4000)).when(elsewhere)
