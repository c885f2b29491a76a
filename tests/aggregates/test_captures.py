"""Captures: caps, finality, fees, limits, and what the PSP takes back."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import RecordCaptureReversal
from schemas.errors import (
    CaptureExceedsAuthorized,
    InvalidState,
    NotFound,
    OperationInProgress,
    TooManyOperations,
)
from schemas.events import (
    CaptureFailed,
    CaptureRequested,
    CaptureReversed,
    ManualCaseOpened,
    PaymentCaptured,
    PspFeeAdjusted,
)
from schemas.events.captures import Slice
from schemas.events.psp import PspFee
from tests.aggregates.commands import (
    DEMO_PLAN,
    adjusted,
    approved,
    authorized,
    capture,
    create,
    named,
    refund,
    refused,
    request_authorization,
    request_cancellation,
    request_capture,
    request_refund,
    result,
    start,
)
from tests.aggregates.scenario import (
    given,
    only,
)


def reversal(amount: int, name: str = "capture", *, reference: str = "rev_1") -> RecordCaptureReversal:
    told = result(name)
    return RecordCaptureReversal(
        capture_id=named(f"{name}.capture"),
        amount=amount,
        psp_fee_returned=0,
        result=replace(told, psp_operation_reference=reference),
        reason="bank_returned",
    )


def test_all_that_is_left_is_captured_finally_by_default() -> None:
    scenario = given(authorized()).when(request_capture(None)).then(CaptureRequested)
    assert (only(CaptureRequested, scenario).amount, only(CaptureRequested, scenario).final) == (10_000, True)


def test_a_named_amount_is_not_final_by_default() -> None:
    scenario = given(authorized()).when(request_capture(6000)).then(CaptureRequested)
    assert only(CaptureRequested, scenario).final is False
    done = scenario.given(start("capture", "capture"), approved("capture", 6000))
    assert (done.state.status, done.state.capturable) == ("partially_captured", 4000)


def test_finality_may_be_said_either_way() -> None:
    named_final = given(authorized()).when(request_capture(6000, final=True)).then(CaptureRequested)
    assert only(CaptureRequested, named_final).final is True
    all_open = given(authorized()).when(request_capture(None, final=False)).then(CaptureRequested)
    assert only(CaptureRequested, all_open).final is False


def test_a_final_capture_releases_the_rest() -> None:
    scenario = given(authorized(), capture(2000, "first"), request_capture(6000, final=True))
    scenario = scenario.given(start("capture", "capture")).when(approved("capture", 6000)).then(PaymentCaptured)
    assert only(PaymentCaptured, scenario).hold_released == 8000
    assert (scenario.state.released, scenario.state.status) == (2000, "captured")


def test_two_captures_cannot_exceed_the_hold_even_before_either_has_ended() -> None:
    given(authorized(), request_capture(6000, "first")).when(request_capture(6000, "second")).rejected(
        CaptureExceedsAuthorized, available=4000
    )


def test_a_capture_that_failed_leaves_the_hold_as_before() -> None:
    scenario = given(authorized(), request_capture(6000), start("capture", "capture"))
    scenario = scenario.when(refused("capture")).then(CaptureFailed)
    assert (scenario.state.capturable, scenario.state.capture_pending) == (10_000, 0)
    assert scenario.state.status == "authorized"
    assert payment_intent.operation_ended_at(scenario.state, named("capture")) == 7
    scenario.when(request_capture(None, "again")).then(CaptureRequested)


def test_while_a_final_capture_is_on_its_way_no_other_begins() -> None:
    given(authorized(), request_capture(6000, final=True)).when(request_capture(1000, "more")).rejected(
        OperationInProgress
    )


def test_a_final_capture_waits_for_the_others_because_it_releases_the_rest() -> None:
    given(authorized(), request_capture(6000)).when(request_capture(None, "rest")).rejected(OperationInProgress)


def test_all_of_nothing_left_is_in_progress_while_captures_are_on_their_way() -> None:
    given(authorized(), request_capture(10_000)).when(request_capture(None, "rest")).rejected(OperationInProgress)
    given(authorized(), request_capture(10_000)).when(request_capture(1, "rest")).rejected(
        CaptureExceedsAuthorized, available=0
    )


def test_no_capture_begins_while_the_authorization_is_on_its_way() -> None:
    given(create(authorize="authorize")).when(request_capture(1)).rejected(OperationInProgress)


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        ([create()], "A payment intent that is created is not authorized."),
        ([*authorized(), *capture(10_000, "first")], "A payment intent that is captured has nothing left to capture."),
    ],
)
def test_a_refused_capture_says_whether_anything_was_ever_held(
    commands: list[payment_intent.Command], why: str
) -> None:
    refusal = given(commands).when(request_capture(1)).refusal
    assert isinstance(refusal, InvalidState)
    assert refusal.detail == why


def test_no_capture_begins_while_a_cancellation_is_on_its_way() -> None:
    given(authorized(), request_cancellation()).when(request_capture(1)).rejected(OperationInProgress)


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([create()], "created"),
        ([create(authorize="authorize"), start("authorize", "authorize"), refused("authorize")], "declined"),
        ([*authorized(), *capture(10_000, "first")], "captured"),
        (
            [
                create(capture_method="automatic", authorize="authorize"),
                start("authorize", "authorize"),
                approved("authorize", 10_000),
            ],
            "captured",
        ),
    ],
)
def test_only_what_is_held_can_be_captured(commands: list[payment_intent.Command], status: str) -> None:
    given(commands).when(request_capture(1)).rejected(
        InvalidState,
        current_status=status,
        allowed=["authorized", "partially_captured", "partially_refunded"],
    )


def test_what_is_left_may_be_captured_after_a_refund() -> None:
    scenario = given(authorized(), capture(5000), refund(5000))
    assert scenario.state.status == "partially_refunded"
    scenario.when(request_capture(5000, "second")).then(CaptureRequested)


def test_fifty_captures_are_the_most() -> None:
    scenario = given(authorized())
    for number in range(50):
        scenario = scenario.given(capture(1, f"capture_{number}"))
    assert scenario.state.captured == 50
    scenario.when(request_capture(1)).rejected(TooManyOperations)


def test_captures_that_failed_count_too() -> None:
    scenario = given(authorized())
    for number in range(50):
        name = f"capture_{number}"
        scenario = scenario.given(request_capture(1, name), start(name, "capture"), refused(name))
    scenario.when(request_capture(1)).rejected(TooManyOperations)


def test_a_capture_that_is_taken_back_is_paid_from_its_own_lot_first() -> None:
    scenario = given(authorized(plan=DEMO_PLAN), capture(6000, "first"), capture(3000))
    scenario = scenario.when(reversal(3000)).then(CaptureReversed)
    reversed_event = only(CaptureReversed, scenario)
    assert reversed_event.taken_from == (
        Slice(account="merchant_pending", capture_id=named("capture.capture"), amount=2913),
        Slice(account="merchant_pending", capture_id=named("first.capture"), amount=87),
    )
    # 291 were charged on 9000; a third of it goes back.
    assert reversed_event.platform_fee_returned == 97
    assert scenario.state.captures[named("capture.capture")].status == "reversed"
    assert (scenario.state.captured_net, scenario.state.refundable) == (6000, 6000)
    assert scenario.state.status == "partially_captured"


def test_the_hold_does_not_come_back_with_a_reversal() -> None:
    scenario = given(authorized(), capture(10_000)).given(reversal(10_000))
    assert (scenario.state.capturable, scenario.state.status) == (0, "failed")
    scenario.when(request_capture(1, "again")).rejected(InvalidState)
    scenario.when(request_refund(1)).rejected(InvalidState, current_status="failed")


def test_a_capture_may_be_taken_back_in_parts_but_each_part_once() -> None:
    scenario = given(authorized(), capture(6000)).given(reversal(2000, reference="rev_1"))
    assert scenario.state.captures[named("capture.capture")].status == "succeeded"
    scenario.when(reversal(2000, reference="rev_1")).nothing()
    scenario = scenario.when(reversal(4000, reference="rev_2")).then(CaptureReversed)
    scenario.when(reversal(4000, reference="rev_2")).nothing()


def test_more_than_a_capture_cannot_be_taken_back_without_a_person() -> None:
    scenario = given(authorized(), capture(6000)).given(reversal(2000))
    scenario = scenario.when(reversal(5000, reference="rev_2")).then(ManualCaseOpened)
    assert only(ManualCaseOpened, scenario).exposure == 5000
    scenario.when(reversal(5000, reference="rev_2")).nothing()


def test_a_reversal_of_what_never_succeeded() -> None:
    given(authorized(), request_capture(6000)).when(reversal(6000)).rejected(InvalidState)
    given(authorized()).when(reversal(6000)).rejected(NotFound)
    failed = given(authorized(), request_capture(6000), start("capture", "capture"), refused("capture"))
    failed.when(reversal(6000)).then(ManualCaseOpened)


def test_the_whole_platform_fee_comes_back_when_everything_is_taken_back() -> None:
    scenario = given(authorized(plan=DEMO_PLAN), capture(6000, "first"), capture(3001))
    scenario = scenario.given(reversal(6000, "first"), reversal(3001, reference="rev_2"))
    assert scenario.state.fee_returned_on_reversals == scenario.state.fee_charged


def test_a_reversal_after_the_money_was_refunded_leaves_nothing_to_refund() -> None:
    scenario = given(authorized(), capture(10_000), refund(8000)).given(reversal(10_000))
    assert scenario.state.refundable == 0
    assert scenario.state.status == "refunded"
    taken = only(CaptureReversed, scenario).taken_from
    assert [(part.account, part.amount) for part in taken] == [("merchant_pending", 2000), ("merchant_available", 8000)]


def test_an_authorization_is_not_asked_for_again_while_something_is_captured() -> None:
    given(authorized(), capture(1)).when(request_authorization("again")).rejected(
        InvalidState, current_status="partially_captured"
    )


def test_with_all_captures_taken_back_and_a_rest_to_capture_the_intent_is_authorized() -> None:
    scenario = given(authorized(), capture(6000)).given(reversal(6000))
    assert (scenario.state.status, scenario.state.capturable) == ("authorized", 4000)


def test_a_fee_that_went_back_with_a_refund_does_not_go_back_again_with_a_reversal() -> None:
    returning = replace(DEMO_PLAN, returned_on_refund=True)
    scenario = given(authorized(plan=returning), capture(10_000), refund(8000)).given(reversal(10_000))
    assert scenario.state.fee_returned_on_refunds == 256
    assert only(CaptureReversed, scenario).platform_fee_returned == 320 - 256


def test_the_psp_fee_is_what_the_psp_keeps_by_now() -> None:
    scenario = given(authorized(), capture(6000, fee=66)).given(replace(reversal(6000), psp_fee_returned=60))
    known = scenario.state.captures[named("capture.capture")].psp_fee
    assert known == PspFee(amount=6, currency="EUR", status="known")
    adjust = adjusted(0)
    assert only(PspFeeAdjusted, scenario.given(adjust)).delta == -6
