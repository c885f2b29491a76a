"""Successes after a negative was told: nothing is resurrected, the money goes back, and only once."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import RecordOutcome
from schemas.errors import InvalidState, OperationInProgress
from schemas.events import (
    LateSuccessReceived,
    LateSuccessReversed,
    ManualCaseOpened,
    PaymentAuthorized,
    PspAttemptStarted,
)
from schemas.events.psp import PspFee
from tests.aggregates.commands import (
    DECLINED,
    approved,
    authorized,
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
    Scenario,
    given,
    only,
)


def declined_hold() -> Scenario:
    return given(create(authorize="authorize"), start("authorize", "authorize"), refused("authorize"))


def declined_sale() -> Scenario:
    return given(
        create(capture_method="automatic", authorize="authorize"), start("authorize", "authorize"), refused("authorize")
    )


def failed_capture() -> Scenario:
    return given(authorized(), request_capture(6000), start("capture", "capture"), refused("capture"))


def undo(name: str, *, attempt: str = "undo", undoes: str | None = None) -> payment_intent.Command:
    return start(name, "reversal", attempt=attempt, undoes=undoes or f"{name}.1")


def test_a_late_hold_changes_no_word_and_is_voided_once() -> None:
    scenario = declined_hold().when(approved("authorize", 10_000, by="psp_webhook")).then(LateSuccessReceived)
    received = only(LateSuccessReceived, scenario)
    assert (received.kind, received.amount, received.told_status) == ("hold", 10_000, "declined")
    state = scenario.state
    assert (state.status, state.authorized) == ("declined", 0)
    assert state.attempts[named("authorize.1")].status == "failed"
    assert state.late_success is not None
    assert (state.late_success.our_reference, state.late_success.psp_reference) == ("authorize.1", "pay_1")

    scenario = scenario.when(undo("authorize")).then(PspAttemptStarted)
    assert only(PspAttemptStarted, scenario).amount == 10_000
    scenario = scenario.when(approved("authorize", 10_000, attempt="undo")).then(LateSuccessReversed)
    assert only(LateSuccessReversed, scenario).via == "void"
    assert scenario.state.late_success is None
    assert scenario.state.status == "declined"

    scenario.when(undo("authorize", attempt="undo_again")).rejected(InvalidState)
    scenario.when(approved("authorize", 10_000, attempt="undo")).nothing()


@pytest.mark.parametrize(
    ("scenario", "name", "amount", "told"),
    [(declined_sale(), "authorize", 10_000, "declined"), (failed_capture(), "capture", 6000, "failed")],
)
def test_a_late_charge_is_refunded_once_and_never_captured(
    scenario: Scenario, name: str, amount: int, told: str
) -> None:
    before = scenario.state
    scenario = scenario.when(approved(name, amount, fee=66, by="settlement")).then(LateSuccessReceived)
    received = only(LateSuccessReceived, scenario)
    assert (received.kind, received.amount, received.told_status) == ("charge", amount, told)
    assert received.psp_fee == PspFee(amount=66, currency="EUR", status="known")
    assert scenario.state.late_success is not None
    assert scenario.state.late_success.psp_fee == received.psp_fee
    assert (scenario.state.status, scenario.state.captured) == (before.status, 0)
    assert scenario.state.lots == {}
    scenario = scenario.given(undo(name), approved(name, amount, attempt="undo"))
    assert only(LateSuccessReversed, scenario).via == "refund"
    scenario.when(undo(name, attempt="undo_again")).rejected(InvalidState)


def test_a_late_success_is_received_once() -> None:
    late = declined_hold().given(approved("authorize", 10_000))
    late.when(approved("authorize", 10_000, by="inquiry")).nothing()
    undone = late.given(undo("authorize"), approved("authorize", 10_000, attempt="undo"))
    undone.when(approved("authorize", 10_000, by="inquiry")).nothing()


def test_a_success_at_an_earlier_try_comes_late_when_another_has_succeeded() -> None:
    scenario = declined_hold().given(request_authorization("again"), start("again", "authorize"))
    scenario = scenario.given(approved("again", 10_000, psp_reference="pay_2"))
    scenario = scenario.when(approved("authorize", 10_000)).then(LateSuccessReceived)
    assert scenario.state.status == "authorized"
    assert scenario.state.authorized == 10_000
    assert scenario.state.authorization is not None
    assert scenario.state.authorization.psp_reference == "pay_2"


def test_a_late_success_does_not_stand_in_the_way_of_a_new_authorization() -> None:
    scenario = declined_hold().given(approved("authorize", 10_000), request_authorization("again"))
    scenario = scenario.given(start("again", "authorize"))
    scenario = scenario.when(approved("again", 10_000)).then(PaymentAuthorized)
    assert scenario.state.late_success is not None


def test_each_of_several_late_successes_is_undone_by_its_own_reference() -> None:
    scenario = declined_hold().given(request_authorization("again"), start("again", "authorize"), refused("again"))
    scenario = scenario.given(approved("again", 10_000), approved("authorize", 10_000))
    assert [late.our_reference for late in scenario.state.late_successes.values()] == ["again.1", "authorize.1"]
    scenario = scenario.given(undo("authorize"), approved("authorize", 10_000, attempt="undo"))
    assert [late.our_reference for late in scenario.state.late_successes.values() if not late.reversed] == ["again.1"]


def test_a_reversal_that_repeats_no_reference_undoes_the_oldest() -> None:
    scenario = declined_hold().given(approved("authorize", 10_000), undo("authorize", undoes="something_else"))
    assert scenario.state.attempts[named("undo")].reverses == named("authorize.1")


def test_one_reversal_at_a_time() -> None:
    scenario = declined_hold().given(approved("authorize", 10_000), undo("authorize"))
    scenario.when(undo("authorize")).nothing()
    scenario.when(undo("authorize", attempt="undo_again")).rejected(OperationInProgress)


def test_there_is_nothing_to_undo_without_a_late_success() -> None:
    given(authorized()).when(undo("authorize")).rejected(InvalidState, current_status="authorized", allowed=[])
    declined_hold().when(undo("authorize")).rejected(InvalidState, current_status="declined", allowed=[])


def test_what_the_psp_says_of_its_fee_when_a_charge_goes_back_is_kept() -> None:
    late = declined_sale().given(approved("authorize", 10_000, fee=66), undo("authorize"))
    undone = late.when(approved("authorize", 10_000, attempt="undo", fee=-66)).then(LateSuccessReversed)
    assert only(LateSuccessReversed, undone).psp_fee == PspFee(amount=-66, currency="EUR", status="known")


def test_a_late_success_is_known_by_all_that_finds_it_at_the_psp() -> None:
    late = declined_hold().given(approved("authorize", 10_000)).state.late_success
    assert late is not None
    assert (late.psp, late.psp_account) == ("simulator", "main")
    assert (late.psp_reference, late.psp_operation_reference) == ("pay_1", "op-authorize.1")


def test_a_reversal_that_is_refused_is_a_case_and_stays_to_be_done() -> None:
    scenario = declined_hold().given(approved("authorize", 10_000), undo("authorize"))
    doubted = scenario.when(refused("authorize", attempt="undo")).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure, opened.attempt_id) == ("reversal_refused", 10_000, named("undo"))
    assert doubted.state.late_success is not None
    doubted.when(refused("authorize", attempt="undo")).nothing()
    settled = doubted.when(approved("authorize", 10_000, attempt="undo")).then(LateSuccessReversed)
    assert settled.state.open_cases == {}


def test_a_reversal_of_another_amount_is_a_case() -> None:
    scenario = declined_hold().given(approved("authorize", 10_000), undo("authorize"))
    doubted = scenario.when(approved("authorize", 9_999, attempt="undo")).then(ManualCaseOpened)
    assert only(ManualCaseOpened, doubted).reason == "amount_mismatch"


def test_a_late_success_of_another_amount_is_a_case() -> None:
    doubted = declined_hold().when(approved("authorize", 12_000)).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure, opened.attempt_id) == ("amount_mismatch", 12_000, named("authorize.1"))
    assert doubted.state.late_success is None


def test_a_refund_that_worked_after_all_is_a_case_and_moves_no_money() -> None:
    failed = given(authorized(), capture(6000), request_refund(5000), start("refund", "refund"), refused("refund"))
    doubted = failed.when(approved("refund", 5000)).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.attempt_id) == ("refund_succeeded_after_failure", named("refund.1"))
    assert (doubted.state.refunded, doubted.state.refundable) == (0, 6000)


def test_a_void_that_worked_after_all_is_a_case() -> None:
    failed = given(authorized(), request_cancellation(), start("cancel", "void"), refused("cancel"))
    doubted = failed.when(approved("cancel", 10_000)).then(ManualCaseOpened)
    assert only(ManualCaseOpened, doubted).reason == "void_succeeded_after_failure"
    assert doubted.state.status == "authorized"


def test_a_negative_after_a_late_success_is_a_case_unless_it_is_the_one_that_was_told() -> None:
    late = declined_hold().given(approved("authorize", 10_000))
    late.when(refused("authorize", by="retry")).nothing()
    other = refused("authorize", decline=replace(DECLINED, code="insufficient_funds"), by="inquiry")
    doubted = late.when(other).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.attempt_id) == ("negative_after_late_success", named("authorize.1"))
    undone = late.given(undo("authorize"), approved("authorize", 10_000, attempt="undo"))
    undone.when(other).nothing()


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("other", [approved("authorize", 10_000, psp_reference="pay_2"), approved("authorize", 12_000)])
def test_a_late_success_of_another_payment_than_the_one_received_is_a_case(
    other: RecordOutcome, *, undone: bool
) -> None:
    late = declined_hold().given(approved("authorize", 10_000))
    if undone:
        late = late.given(undo("authorize"), approved("authorize", 10_000, attempt="undo"))
    doubted = late.when(other).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure) == ("second_success_differs", other.outcome.amount)
    doubted.when(other).nothing()


def test_a_late_success_is_undone_where_it_is() -> None:
    late = declined_hold().given(approved("authorize", 10_000))
    late.when(replace(start("authorize", "reversal", attempt="undo", undoes="authorize.1"), psp="other")).rejected(
        InvalidState, allowed=[]
    )


def test_the_psp_fee_of_what_came_late_is_kept_in_the_currency_it_is_named_in() -> None:
    dollars = PspFee(amount=66, currency="USD", status="known")
    late = declined_sale().given(approved("authorize", 10_000, fee=66, fee_currency="USD"))
    assert only(LateSuccessReceived, late).psp_fee == dollars
    undone = late.given(undo("authorize"), approved("authorize", 10_000, attempt="undo", fee=-66, fee_currency="USD"))
    assert only(LateSuccessReversed, undone).psp_fee == replace(dollars, amount=-66)
