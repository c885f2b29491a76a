"""Answers that are older than what the log knows (ADR 14): one that may not be true any more ends nothing."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import OpenCase, RecordOutcome, RecordUnknown
from schemas.events import AuthorizationDeclined, LateSuccessReversed, PspOutcomeUnknown
from schemas.events.payment_intent import PspOperation
from schemas.events.unknown_outcomes import NextStep
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
from tests.aggregates.scenario import Scenario, given

OPEN: dict[str, tuple[PspOperation, int, list[payment_intent.Command]]] = {
    "authorize": ("authorize", 10_000, [create(authorize="authorize")]),
    "capture": ("capture", 6000, [*authorized(), request_capture(6000)]),
    "refund": ("refund", 5000, [*authorized(), *capture(6000, "first"), request_refund(5000)]),
    "cancel": ("void", 10_000, [*authorized(), request_cancellation()]),
}


def begun(name: str) -> tuple[Scenario, int]:
    operation, amount, commands = OPEN[name]
    return given(commands, start(name, operation)), amount


def unknown(attempt: str, tries: int, next_step: NextStep) -> RecordUnknown:
    return RecordUnknown(
        attempt_id=named(attempt), cause="timeout", http_status=None, tries=tries, next_step=next_step, next_at=None
    )


def after(tries: int, command: RecordOutcome) -> RecordOutcome:
    outcome = command.outcome
    return replace(command, outcome=replace(outcome, result=replace(outcome.result, tries=tries)))


def never_sent(command: RecordOutcome) -> RecordOutcome:
    return replace(command, outcome=replace(command.outcome, never_sent=True))


@pytest.mark.parametrize("next_step", ["reversal", "manual_case"])
@pytest.mark.parametrize("name", OPEN)
def test_a_yes_that_was_asked_for_before_it_was_to_be_undone_ends_nothing(name: str, next_step: NextStep) -> None:
    scenario, amount = begun(name)
    case = OpenCase(case_id=named("case"), attempt_id=named(f"{name}.1"), reason="all was tried")
    given_up = scenario.given(unknown(f"{name}.1", 9, next_step), case)
    told = given_up.when(after(9, approved(name, amount))).then()
    assert told.state.attempts[named(f"{name}.1")].open
    assert set(told.state.open_cases) == {case.case_id}


@pytest.mark.parametrize("name", OPEN)
def test_nor_does_it_while_the_psp_is_being_asked_again(name: str) -> None:
    scenario, amount = begun(name)
    asked_again = scenario.given(unknown(f"{name}.1", 9, "manual_case"), unknown(f"{name}.1", 10, "inquiry"))
    asked_again.when(after(9, approved(name, amount))).then()


@pytest.mark.parametrize("name", OPEN)
def test_a_yes_that_was_asked_for_afterwards_ends_it(name: str) -> None:
    scenario, amount = begun(name)
    told = scenario.given(unknown(f"{name}.1", 9, "manual_case")).when(after(10, approved(name, amount))).after
    assert told
    assert told.state.attempts[named(f"{name}.1")].status == "succeeded"


@pytest.mark.parametrize("next_step", ["retry", "inquiry"])
@pytest.mark.parametrize("name", OPEN)
def test_nothing_is_too_late_while_it_is_only_tried_and_asked_about(name: str, next_step: NextStep) -> None:
    scenario, amount = begun(name)
    told = scenario.given(unknown(f"{name}.1", 9, next_step)).when(after(1, approved(name, amount))).after
    assert told
    assert told.state.attempts[named(f"{name}.1")].status == "succeeded"


def test_a_no_of_the_psp_is_believed_at_any_time() -> None:
    scenario, _ = begun("authorize")
    given_up = scenario.given(unknown("authorize.1", 9, "reversal"))
    given_up.when(after(1, refused("authorize"))).then(AuthorizationDeclined)


def test_what_was_undone_stays_undone_however_late_it_is_told() -> None:
    late = given(create(authorize="authorize"), start("authorize", "authorize"), refused("authorize"))
    undoing = late.given(approved("authorize", 10_000), start("authorize", "reversal", attempt="undo"))
    given_up = undoing.given(unknown("undo", 6, "manual_case"))
    given_up.when(after(1, approved("authorize", 10_000, attempt="undo"))).then(LateSuccessReversed)


def test_that_nothing_was_sent_ends_it_only_while_no_call_is_known_that_may_have_left() -> None:
    scenario, _ = begun("authorize")
    scenario.when(never_sent(refused("authorize"))).then(AuthorizationDeclined)
    called = scenario.when(unknown("authorize.1", 1, "retry")).then(PspOutcomeUnknown)
    called.when(never_sent(refused("authorize"))).then()


def test_that_nothing_was_sent_contradicts_no_word_of_the_psp() -> None:
    scenario, amount = begun("authorize")
    scenario.given(approved("authorize", amount)).when(never_sent(refused("authorize"))).then()
    late = scenario.given(refused("authorize"), approved("authorize", amount))
    late.when(never_sent(refused("authorize", decline=replace(DECLINED, code="lost_card")))).then()
