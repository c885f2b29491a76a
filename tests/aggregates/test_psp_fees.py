"""What a PSP keeps of a capture: named at once, later, in another currency, or never."""

import pytest
from msgspec.structs import replace

from schemas.errors import InvalidState, NotFound
from schemas.events import ManualCaseOpened, PaymentCaptured, PspFeeAdjusted
from schemas.events.psp import PspFee
from tests.aggregates.commands import adjusted, approved, authorized, capture, named, request_capture, start
from tests.aggregates.scenario import given, only


def test_a_psp_fee_that_was_not_named_is_zero_and_unknown_until_it_is() -> None:
    scenario = given(authorized(), capture(6000))
    assert only(PaymentCaptured, scenario).psp_fee == PspFee(amount=0, currency="EUR", status="unknown")
    adjust = adjusted(66)
    scenario = scenario.when(adjust).then(PspFeeAdjusted)
    assert (only(PspFeeAdjusted, scenario).delta, only(PspFeeAdjusted, scenario).status) == (66, "known")
    scenario.when(adjust).nothing()
    lower = adjusted(60)
    scenario = scenario.when(lower).then(PspFeeAdjusted)
    assert only(PspFeeAdjusted, scenario).delta == -6
    assert scenario.state.captures[named("capture.capture")].psp_fee == PspFee(
        amount=60, currency="EUR", status="known"
    )


def test_a_fee_that_turns_out_to_be_zero_becomes_known() -> None:
    scenario = given(authorized(), capture(6000))
    adjust = adjusted(0)
    scenario = scenario.when(adjust).then(PspFeeAdjusted)
    assert only(PspFeeAdjusted, scenario).delta == 0
    scenario.when(adjust).nothing()


def test_a_psp_fee_in_another_currency_is_kept_as_it_was_named() -> None:
    scenario = given(authorized(), request_capture(6000), start("capture", "capture"))
    scenario = scenario.given(approved("capture", 6000, fee=70, fee_currency="USD"))
    dollars = PspFee(amount=70, currency="USD", status="known")
    assert only(PaymentCaptured, scenario).psp_fee == dollars
    assert scenario.state.captures[named("capture.capture")].psp_fee == dollars
    scenario.when(adjusted(70, "USD")).nothing()
    less = scenario.when(adjusted(60, "USD")).then(PspFeeAdjusted)
    assert (only(PspFeeAdjusted, less).delta, only(PspFeeAdjusted, less).currency) == (-10, "USD")


def test_a_psp_fee_that_is_unknown_is_unknown_in_the_payments_currency() -> None:
    said = approved("capture", 6000)
    unknown = PspFee(amount=0, currency="USD", status="unknown")
    said = replace(said, outcome=replace(said.outcome, fee=unknown))
    scenario = given(authorized(), request_capture(6000), start("capture", "capture"), said)
    assert only(PaymentCaptured, scenario).psp_fee == replace(unknown, currency="EUR")


def test_a_psp_fee_may_be_named_later_in_another_currency() -> None:
    scenario = given(authorized(), capture(6000)).when(adjusted(70, "USD")).then(PspFeeAdjusted)
    named_later = only(PspFeeAdjusted, scenario)
    assert (named_later.delta, named_later.currency) == (70, "USD")
    assert scenario.state.captures[named("capture.capture")].psp_fee == PspFee(
        amount=70, currency="USD", status="known"
    )


@pytest.mark.parametrize(("kept", "told", "at_stake"), [("EUR", "USD", 66), ("USD", "EUR", 70), ("USD", "JPY", 0)])
def test_a_psp_fee_that_is_named_in_two_currencies_is_a_case(kept: str, told: str, at_stake: int) -> None:
    scenario = given(authorized(), request_capture(6000), start("capture", "capture"))
    scenario = scenario.given(approved("capture", 6000, fee=66, fee_currency=kept))
    doubted = scenario.when(adjusted(70, told)).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure) == ("psp_fee_in_two_currencies", at_stake)
    assert opened.attempt_id == named("capture.1")
    doubted.when(adjusted(70, told)).nothing()
    doubted.when(adjusted(71, told)).then(ManualCaseOpened)


def test_a_fee_of_another_psp_is_a_case() -> None:
    told = adjusted(66)
    told = replace(told, result=replace(told.result, psp="other"))
    doubted = given(authorized(), capture(6000)).when(told).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure) == ("psp_mismatch", 66)


def test_only_a_capture_that_succeeded_has_a_fee() -> None:
    adjust = adjusted(66)
    given(authorized(), request_capture(6000)).when(adjust).rejected(InvalidState)
    given(authorized()).when(adjust).rejected(NotFound)
