"""What the PSP takes back of captures: whose money pays, which fee goes back, and nothing of it twice."""

import pytest
from msgspec.structs import replace

from aggregates.payment_intent.commands import AdjustPspFee, MakeFundsAvailable, RecordCaptureReversal
from schemas.errors import InvalidState
from schemas.events import CaptureReversed, FundsMadeAvailable, ManualCaseOpened
from tests.aggregates.commands import (
    DELAY_S,
    NO_FEES,
    T0,
    authorized,
    capture,
    named,
    refund,
    request_authorization,
    request_capture,
    result,
)
from tests.aggregates.scenario import given, only

ONE_PERCENT = replace(NO_FEES, version=1, rate_ppm=10_000)


def taken_back(amount: int, name: str = "capture", *, reference: str = "rev_1") -> RecordCaptureReversal:
    return RecordCaptureReversal(
        capture_id=named(f"{name}.capture"),
        amount=amount,
        psp_fee_returned=0,
        result=replace(result(name), psp_operation_reference=reference),
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
    adjust = AdjustPspFee(capture_id=named("capture.capture"), amount=66, result=result("capture"))
    scenario.when(taken_back(1)).rejected(InvalidState, current_status="authorized", allowed=[])
    scenario.when(adjust).rejected(InvalidState, current_status="authorized", allowed=[])


def test_an_intent_that_failed_because_all_was_taken_back_has_not_used_up_its_attempts() -> None:
    scenario = given(authorized(), capture(10_000), taken_back(10_000))
    scenario.when(request_authorization("again")).rejected(InvalidState, current_status="failed")
