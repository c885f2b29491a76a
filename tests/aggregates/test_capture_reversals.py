"""What the PSP takes back of captures: whose money pays, which fee goes back, and nothing of it twice."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import MakeFundsAvailable, RecordCaptureReversal
from schemas.errors import InvalidState
from schemas.events import CaptureReversed, FundsMadeAvailable, ManualCaseOpened, PspFeeAdjusted
from tests.aggregates.commands import (
    DELAY_S,
    NO_FEES,
    T0,
    adjusted,
    approved,
    authorized,
    capture,
    named,
    refund,
    request_authorization,
    request_capture,
    result,
    start,
)
from tests.aggregates.scenario import Scenario, given, only

ONE_PERCENT = replace(NO_FEES, version=1, rate_ppm=10_000)


def taken_back(
    amount: int, name: str = "capture", *, reference: str | None = "rev_1", fee: int = 0, psp: str = "simulator"
) -> RecordCaptureReversal:
    """The PSP took `amount` of a capture back; with reference null it did not say by which operation."""
    return RecordCaptureReversal(
        capture_id=named(f"{name}.capture"),
        amount=amount,
        psp_fee_returned=fee,
        result=replace(result(name), psp_operation_reference=reference, psp=psp),
        reason="bank_returned",
    )


def returned(*steps: object, plan: object = ONE_PERCENT) -> list[int]:
    """The platform fee that each reversal among `steps` returns, of 100 that 10 000 cost."""
    scenario = given(authorized(plan=plan), capture(10_000))  # type: ignore[arg-type]
    fees = []
    for step in steps:
        scenario = scenario.given(step)  # type: ignore[arg-type]
        fees += [event.platform_fee_returned for event in scenario.caused if isinstance(event, CaptureReversed)]
    return fees


def test_each_part_that_is_taken_back_returns_its_own_part_of_the_fee() -> None:
    assert returned(taken_back(2500), taken_back(2500, reference="rev_2"), taken_back(5000, reference="rev_3")) == [
        25,
        25,
        50,
    ]


def test_what_was_taken_back_is_shown_as_captured_under_neither_name() -> None:
    shown = payment_intent.resource(given(authorized(), capture(6000), taken_back(1500)).state)
    assert (shown.amount_captured, shown.captured_amount) == (4500, 4500)


def test_refunds_and_reversals_together_never_return_more_than_was_charged() -> None:
    plan = replace(ONE_PERCENT, returned_on_refund=True)
    assert returned(refund(8000), taken_back(5000), taken_back(5000, reference="rev_2"), plan=plan) == [20, 0]


def test_where_nothing_was_charged_nothing_is_returned() -> None:
    assert returned(taken_back(1), plan=NO_FEES) == [0]


def test_what_was_taken_back_does_not_become_available() -> None:
    available = MakeFundsAvailable(capture_id=named("capture.capture"), now_ms=T0 + DELAY_S * 1000)
    scenario = given(authorized(), capture(6000), taken_back(2000)).when(available).then(FundsMadeAvailable)
    assert only(FundsMadeAvailable, scenario).amount == 4000


def test_a_reversal_of_nothing_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        given(authorized(), capture(6000)).when(taken_back(0))


def test_each_contradicted_capture_has_a_case_of_its_own() -> None:
    scenario = given(authorized(), capture(1000, "first"), capture(1000, "second"))
    scenario = scenario.when(taken_back(1001, "first")).then(ManualCaseOpened)
    first = only(ManualCaseOpened, scenario)
    scenario = scenario.when(taken_back(1001, "second")).then(ManualCaseOpened)
    second = only(ManualCaseOpened, scenario)
    assert first.reason == second.reason == "capture_reversal_exceeds_capture"
    assert (first.attempt_id, second.attempt_id) == (named("first.1"), named("second.1"))
    assert list(scenario.state.open_cases) == [first.case_id, second.case_id]


def test_what_is_on_its_way_can_neither_be_taken_back_nor_cost_a_fee() -> None:
    scenario = given(authorized(), request_capture(6000))
    scenario.when(taken_back(1)).rejected(InvalidState, current_status="authorized", allowed=[])
    scenario.when(adjusted(66)).rejected(InvalidState, current_status="authorized", allowed=[])


def test_an_intent_that_failed_because_all_was_taken_back_has_not_used_up_its_attempts() -> None:
    scenario = given(authorized(), capture(10_000), taken_back(10_000))
    scenario.when(request_authorization("again")).rejected(InvalidState, current_status="failed")


def doubted(scenario: Scenario, told: RecordCaptureReversal, reason: str) -> Scenario:
    """`told` opens a case of its own about the attempt that captured, moves no money, and told again does nothing."""
    after = scenario.when(told).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, after)
    assert (opened.reason, opened.exposure, opened.attempt_id) == (reason, told.amount, named("capture.1"))
    assert after.state.captured_net == scenario.state.captured_net
    assert after.state.open_cases.keys() - scenario.state.open_cases.keys() == {opened.case_id}
    return after.when(told).nothing()


@pytest.mark.parametrize("amount", [2000, 6000])
def test_a_reversal_without_a_reference_is_taken_once_and_told_again_a_person_has_to_look(amount: int) -> None:
    taken = given(authorized(), capture(6000)).when(taken_back(amount, reference=None)).then(CaptureReversed)
    doubted(taken, taken_back(amount, reference=None), "capture_reversal_may_be_a_repeat")


@pytest.mark.parametrize(("first", "second"), [("rev_1", None), (None, "rev_1")])
def test_a_reversal_that_is_told_with_and_without_its_reference_is_taken_once(
    first: str | None, second: str | None
) -> None:
    taken = given(authorized(), capture(6000)).given(taken_back(2000, reference=first))
    doubted(taken, taken_back(2000, reference=second), "capture_reversal_may_be_a_repeat")


def test_reversals_that_differ_by_reference_or_amount_are_two() -> None:
    scenario = given(authorized(), capture(6000)).given(taken_back(1000, reference="rev_1"))
    scenario = scenario.when(taken_back(1000, reference="rev_2")).then(CaptureReversed)
    scenario = scenario.when(taken_back(1500, reference=None)).then(CaptureReversed)
    scenario = scenario.when(taken_back(2500, reference=None)).then(CaptureReversed)
    assert scenario.state.captured_net == 0


def test_a_reversal_that_is_told_again_with_another_amount_is_a_case() -> None:
    scenario = given(authorized(), capture(6000)).given(taken_back(2000))
    doubted(scenario, taken_back(1999), "capture_reversal_differs")


def test_what_is_taken_back_of_a_capture_that_is_gone_already_is_a_case() -> None:
    scenario = given(authorized(), capture(6000)).given(taken_back(6000))
    doubted(scenario, taken_back(6000, reference="rev_2"), "capture_reversal_exceeds_capture")


def test_each_reversal_that_is_in_doubt_has_a_case_of_its_own() -> None:
    scenario = given(authorized(), capture(6000)).given(taken_back(2000, reference=None))
    scenario = doubted(scenario, taken_back(2000, reference=None), "capture_reversal_may_be_a_repeat")
    scenario = doubted(scenario, taken_back(4001, reference="rev_2"), "capture_reversal_exceeds_capture")
    scenario = doubted(scenario, taken_back(4002, reference="rev_3"), "capture_reversal_exceeds_capture")
    assert len(scenario.state.open_cases) == 3


def test_the_same_word_is_another_contradiction_where_it_contradicts_something_else() -> None:
    scenario = given(authorized(), capture(6000, fee=66))
    told = taken_back(4000, reference="rev_2", fee=67)
    scenario = doubted(scenario, told, "psp_fee_returned_exceeds_fee").given(taken_back(3000))
    doubted(scenario, told, "capture_reversal_exceeds_capture")


def test_the_psp_gives_back_no_more_of_its_fee_than_it_keeps() -> None:
    scenario = given(authorized(), capture(6000, fee=66)).given(taken_back(2000, fee=22))
    over = doubted(scenario, taken_back(4000, reference="rev_2", fee=45), "psp_fee_returned_exceeds_fee")
    # Told rightly after that, it is taken.
    over.when(taken_back(4000, reference="rev_2", fee=44)).then(CaptureReversed)


def test_of_a_fee_that_was_never_named_nothing_comes_back_until_it_is() -> None:
    scenario = doubted(given(authorized(), capture(6000)), taken_back(6000, fee=66), "psp_fee_returned_exceeds_fee")
    scenario.given(adjusted(66)).when(taken_back(6000, fee=66)).then(CaptureReversed)


def test_a_fee_in_another_currency_does_not_come_back_in_the_payments() -> None:
    billed = given(authorized(), request_capture(6000), start("capture", "capture"))
    billed = billed.given(approved("capture", 6000, fee=70, fee_currency="USD"))
    billed = doubted(billed, taken_back(6000, fee=1), "psp_fee_returned_exceeds_fee")
    billed.given(taken_back(6000)).when(adjusted(0, "USD")).then(PspFeeAdjusted)


def test_what_a_reversal_costs_is_no_fee_that_comes_back() -> None:
    with pytest.raises(AssertionError):
        given(authorized(), capture(6000)).when(taken_back(6000, fee=-1))


def test_only_the_psp_that_captured_can_take_back() -> None:
    scenario = given(authorized(), capture(6000))
    doubted(scenario, taken_back(6000, psp="other"), "psp_mismatch")


@pytest.mark.parametrize("field", ["attempt_id", "operation_id"])
def test_a_reversal_that_belongs_elsewhere_is_a_defect(field: str) -> None:
    told = taken_back(6000)
    elsewhere = replace(told, result=replace(told.result, **{field: named("elsewhere")}))
    with pytest.raises(AssertionError):
        given(authorized(), capture(6000)).when(elsewhere)
