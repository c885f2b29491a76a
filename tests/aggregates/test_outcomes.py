"""Answers that come twice, contradict each other, or are about other money than was asked."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import OpenCase, RecordOutcome
from schemas.errors import InvalidState, NotFound
from schemas.events import AuthorizationVoided, ManualCaseOpened, PaymentAuthorized, PaymentCanceled
from schemas.events.payment_intent import PspOperation
from tests.aggregates.commands import (
    DECLINED,
    approved,
    authorized,
    capture,
    create,
    named,
    refused,
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

OPEN: dict[str, tuple[PspOperation, int, list[payment_intent.Command]]] = {
    "authorize": ("authorize", 10_000, [create(authorize="authorize")]),
    "capture": ("capture", 6000, [*authorized(), request_capture(6000)]),
    "refund": ("refund", 5000, [*authorized(), *capture(6000, "first"), request_refund(5000)]),
    "cancel": ("void", 10_000, [*authorized(), request_cancellation()]),
}


def begun(name: str) -> tuple[Scenario, int]:
    operation, amount, commands = OPEN[name]
    return given(commands, start(name, operation)), amount


@pytest.mark.parametrize("name", OPEN)
def test_the_same_success_again_changes_nothing(name: str) -> None:
    scenario, amount = begun(name)
    succeeded = scenario.given(approved(name, amount))
    succeeded.when(approved(name, amount)).nothing()
    succeeded.when(approved(name, amount, by="inquiry")).nothing()


@pytest.mark.parametrize("name", OPEN)
def test_the_same_failure_again_changes_nothing(name: str) -> None:
    scenario, _ = begun(name)
    failed = scenario.given(refused(name))
    failed.when(refused(name)).nothing()
    failed.when(refused(name, by="inquiry")).nothing()


@pytest.mark.parametrize("name", OPEN)
def test_a_failure_after_a_success_is_a_case_and_takes_nothing_back(name: str) -> None:
    scenario, amount = begun(name)
    succeeded = scenario.given(approved(name, amount))
    doubted = succeeded.when(refused(name, by="psp_webhook")).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.exposure, opened.reason) == (amount, "negative_after_success")
    assert opened.attempt_id == named(f"{name}.1")
    assert doubted.state.status == succeeded.state.status
    doubted.when(refused(name, by="settlement")).nothing()


@pytest.mark.parametrize("name", OPEN)
def test_a_second_success_that_is_another_payment_at_the_psp_is_a_case(name: str) -> None:
    scenario, amount = begun(name)
    succeeded = scenario.given(approved(name, amount))
    doubted = succeeded.when(approved(name, amount, psp_reference="pay_2")).then(ManualCaseOpened)
    assert only(ManualCaseOpened, doubted).reason == "second_success_differs"


@pytest.mark.parametrize("name", ["authorize", "capture", "refund"])
def test_a_success_of_another_amount_is_a_case_and_the_operation_stays_open(name: str) -> None:
    scenario, amount = begun(name)
    doubted = scenario.when(approved(name, amount + 1)).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure) == ("amount_mismatch", amount + 1)
    assert opened.attempt_id == named(f"{name}.1")
    assert payment_intent.operation_ended_at(doubted.state, named(name)) is None
    doubted.when(approved(name, amount + 1)).nothing()
    settled = doubted.given(approved(name, amount))
    assert payment_intent.operation_ended_at(settled.state, named(name)) is not None
    assert settled.state.open_cases == {}


def test_a_void_need_not_say_how_much_it_released() -> None:
    scenario, _ = begun("cancel")
    done = scenario.when(approved("cancel", 0)).then(AuthorizationVoided, PaymentCanceled)
    done.when(approved("cancel", 10_000)).nothing()
    done.when(approved("cancel", 0)).nothing()


def test_a_success_that_is_told_again_with_another_amount_is_a_case() -> None:
    scenario, amount = begun("capture")
    doubted = scenario.given(approved("capture", amount)).when(approved("capture", amount - 1)).then(ManualCaseOpened)
    assert only(ManualCaseOpened, doubted).reason == "second_success_differs"


def test_references_that_an_answer_leaves_out_contradict_nothing() -> None:
    scenario, amount = begun("authorize")
    silent = approved("authorize", amount)
    bare = replace(silent.outcome.result, psp_reference=None, psp_operation_reference=None)
    silent = replace(silent, outcome=replace(silent.outcome, result=bare))
    scenario.given(approved("authorize", amount)).when(silent).nothing()
    scenario.given(silent).when(approved("authorize", amount)).nothing()


def test_an_answer_to_a_question_nobody_asked() -> None:
    given(create(authorize="authorize")).when(approved("authorize", 10_000)).rejected(NotFound)


@pytest.mark.parametrize("field", ["attempt_id", "operation_id"])
def test_an_answer_that_belongs_elsewhere_is_a_defect(field: str) -> None:
    scenario, amount = begun("authorize")
    command = approved("authorize", amount)
    elsewhere = replace(command.outcome.result, **{field: named("elsewhere")})
    with pytest.raises(AssertionError):
        scenario.when(
            RecordOutcome(
                attempt_id=command.attempt_id,
                outcome=replace(command.outcome, result=elsewhere),
                now_ms=command.now_ms,
            )
        )


def test_the_answer_is_kept_with_its_attempt() -> None:
    scenario, amount = begun("authorize")
    done = scenario.when(approved("authorize", amount)).then(PaymentAuthorized)
    attempt = done.state.attempts[named("authorize.1")]
    assert (attempt.status, attempt.tries, attempt.psp_reference) == ("succeeded", 1, "pay_1")
    assert attempt.psp_operation_reference == "op-authorize.1"


@pytest.mark.parametrize("name", OPEN)
def test_each_contradiction_has_a_case_of_its_own_though_another_is_open(name: str) -> None:
    scenario, amount = begun(name)
    everything_tried = OpenCase(case_id=named("case"), attempt_id=named(f"{name}.1"), reason="all was tried")
    scenario = scenario.given(everything_tried).given(approved(name, amount))
    contradictions = [
        refused(name),
        refused(name, decline=replace(DECLINED, code="lost_card")),
        approved(name, amount, psp_reference="pay_2"),
        approved(name, amount, psp_reference="pay_3"),
    ]
    for contradiction in contradictions:
        scenario = scenario.when(contradiction).then(ManualCaseOpened)
    reasons = [case.reason for case in scenario.state.open_cases.values()]
    assert reasons == ["negative_after_success"] * 2 + ["second_success_differs"] * 2
    for contradiction in contradictions:
        scenario.when(contradiction).nothing()


def test_a_contradiction_leaves_its_trace_though_everything_was_tried() -> None:
    scenario, amount = begun("capture")
    everything_tried = OpenCase(case_id=named("case"), attempt_id=named("capture.1"), reason="all was tried")
    doubted = scenario.given(everything_tried).when(approved("capture", amount + 1)).then(ManualCaseOpened)
    assert [case.reason for case in doubted.state.open_cases.values()] == ["all was tried", "amount_mismatch"]


def test_a_contradiction_that_comes_back_after_its_case_was_closed_is_a_new_case() -> None:
    scenario, amount = begun("authorize")
    other = approved("authorize", amount + 1)
    doubted = scenario.when(other).then(ManualCaseOpened)
    closed = doubted.given(refused("authorize"))
    assert closed.state.open_cases == {}
    again = closed.when(other).then(ManualCaseOpened)
    assert only(ManualCaseOpened, again).case_id != only(ManualCaseOpened, doubted).case_id


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("approves", [True, False])
def test_an_answer_of_another_psp_than_was_asked_is_a_case(name: str, *, approves: bool) -> None:
    scenario, amount = begun(name)
    told = approved(name, amount, psp="other") if approves else refused(name, psp="other")
    doubted = scenario.when(told).then(ManualCaseOpened)
    opened = only(ManualCaseOpened, doubted)
    assert (opened.reason, opened.exposure) == ("psp_mismatch", amount)
    assert payment_intent.operation_ended_at(doubted.state, named(name)) is None
    doubted.when(told).nothing()


@pytest.mark.parametrize("name", ["capture", "refund", "cancel"])
def test_what_follows_an_authorization_is_asked_of_its_psp(name: str) -> None:
    operation, _, commands = OPEN[name]
    asked = given(commands)
    asked.when(replace(start(name, operation), psp="other")).rejected(InvalidState, allowed=[])


def test_any_psp_may_be_asked_for_an_authorization() -> None:
    asked = given(create(authorize="authorize"), replace(start("authorize", "authorize"), psp="other"))
    asked.when(approved("authorize", 10_000, psp="other")).then(PaymentAuthorized)
