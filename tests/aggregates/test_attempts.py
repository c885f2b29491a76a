"""Attempts, unknown outcomes and cases: no call that the log does not know, none twice at a time, nothing guessed."""

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import OpenCase, RecordUnknown
from schemas.errors import InvalidState, NotFound, OperationInProgress
from schemas.events import (
    AuthorizationDeclined,
    ManualCaseOpened,
    PaymentAuthorized,
    PspAttemptStarted,
    PspOutcomeUnknown,
)
from schemas.events.unknown_outcomes import NextStep
from tests.aggregates.commands import (
    T0,
    approved,
    authorized,
    create,
    named,
    refused,
    request_capture,
    start,
)
from tests.aggregates.scenario import (
    Scenario,
    given,
    only,
)


def unknown(attempt: str, tries: int = 1, *, next_step: NextStep = "retry") -> RecordUnknown:
    return RecordUnknown(
        attempt_id=named(attempt),
        cause="timeout",
        http_status=None,
        tries=tries,
        next_step=next_step,
        next_at=1,
    )


def case(attempt: str, name: str = "case") -> OpenCase:
    return OpenCase(case_id=named(name), attempt_id=named(attempt), reason="all was tried")


def asked() -> Scenario:
    return given(create(authorize="authorize"))


def test_an_attempt_carries_the_amount_of_its_operation() -> None:
    scenario = asked().when(start("authorize", "authorize")).then(PspAttemptStarted)
    started = only(PspAttemptStarted, scenario)
    assert (started.amount, started.currency, started.psp_amount) == (10_000, "EUR", 1)
    attempt = scenario.state.attempts[named("authorize.1")]
    assert (attempt.status, attempt.open, attempt.tries) == ("processing", True, 0)
    assert scenario.state.operations[named("authorize")].attempts == (attempt.id,)
    assert (attempt.psp, attempt.psp_account, attempt.psp_idempotency_key) == ("simulator", "main", "key-authorize.1")
    assert (attempt.amount, attempt.psp_amount, attempt.psp_exponent, attempt.attempt_no) == (10_000, 1, 2, 1)


def test_an_attempt_that_was_started_is_not_started_again() -> None:
    begun = asked().given(start("authorize", "authorize"))
    begun.when(start("authorize", "authorize")).nothing()
    begun.given(approved("authorize", 10_000)).when(start("authorize", "authorize")).nothing()


def test_a_second_call_could_double_the_first() -> None:
    asked().given(start("authorize", "authorize")).when(start("authorize", "authorize", attempt="other")).rejected(
        OperationInProgress
    )


def test_no_psp_is_called_for_an_operation_that_has_ended() -> None:
    given(authorized()).when(start("authorize", "authorize", attempt="other")).rejected(InvalidState)


def test_no_psp_is_called_for_what_nobody_asked() -> None:
    asked().when(start("nothing", "capture")).rejected(NotFound)
    asked().when(start("authorize", "capture")).rejected(InvalidState, current_status="processing", allowed=[])


def test_an_unknown_outcome_keeps_the_operation_open() -> None:
    scenario = asked().given(start("authorize", "authorize")).when(unknown("authorize.1")).then(PspOutcomeUnknown)
    assert only(PspOutcomeUnknown, scenario).exposure == 10_000
    assert scenario.state.status == "processing"
    assert scenario.state.attempts[named("authorize.1")].status == "unknown"
    assert payment_intent.operation_ended_at(scenario.state, named("authorize")) is None
    resolved = scenario.when(approved("authorize", 10_000, by="inquiry")).then(PaymentAuthorized)
    assert resolved.state.attempts[named("authorize.1")].status == "succeeded"
    scenario.when(refused("authorize", by="inquiry")).then(AuthorizationDeclined)


def test_what_is_known_of_not_knowing_stands_in_the_event() -> None:
    scenario = asked().given(start("authorize", "authorize"))
    scenario = scenario.given(replace(unknown("authorize.1", 2), cause="5xx", http_status=502, next_at=1234))
    told = only(PspOutcomeUnknown, scenario)
    assert (told.cause, told.http_status, told.tries, told.next_step, told.next_at) == ("5xx", 502, 2, "retry", 1234)


def test_a_case_says_what_is_at_stake_why_and_since_when() -> None:
    scenario = asked().given(start("authorize", "authorize"), case("authorize.1"))
    opened = scenario.state.open_cases[named("case")]
    assert (opened.exposure, opened.reason, opened.opened_at) == (10_000, "all was tried", T0 + scenario.state.version)


def test_an_unknown_capture_keeps_its_money_reserved() -> None:
    scenario = given(authorized(), request_capture(6000), start("capture", "capture"), unknown("capture.1"))
    assert (scenario.state.capture_pending, scenario.state.capturable) == (6000, 4000)


def test_old_news_of_not_knowing_changes_nothing() -> None:
    scenario = asked().given(start("authorize", "authorize"), unknown("authorize.1", 2))
    scenario.when(unknown("authorize.1", 1)).nothing()
    scenario.when(unknown("authorize.1", 2)).nothing()
    scenario.when(unknown("authorize.1", 2, next_step="inquiry")).then(PspOutcomeUnknown)
    scenario.when(unknown("authorize.1", 3)).then(PspOutcomeUnknown)


def test_what_is_known_is_not_made_unknown() -> None:
    given(authorized()).when(unknown("authorize.1", 9)).nothing()
    asked().when(unknown("authorize.1")).rejected(NotFound)


def test_a_case_is_opened_once_while_its_attempt_is_open() -> None:
    scenario = asked().given(start("authorize", "authorize"), unknown("authorize.1"))
    scenario = scenario.when(case("authorize.1")).then(ManualCaseOpened)
    assert only(ManualCaseOpened, scenario).exposure == 10_000
    assert scenario.state.status == "processing"
    scenario.when(case("authorize.1", "another")).nothing()


@pytest.mark.parametrize("answer", [approved("authorize", 10_000), refused("authorize")])
def test_a_definitive_answer_settles_the_case(answer: payment_intent.Command) -> None:
    scenario = asked().given(start("authorize", "authorize"), case("authorize.1"))
    assert list(scenario.state.open_cases) == [named("case")]
    assert scenario.given(answer).state.open_cases == {}


def test_a_case_of_another_attempt_stays_open() -> None:
    scenario = given(authorized(), request_capture(1000, "first"), request_capture(1000, "second"))
    scenario = scenario.given(start("first", "capture"), start("second", "capture"), case("first.1"))
    assert list(scenario.given(approved("second", 1000)).state.open_cases) == [named("case")]


def test_what_has_an_answer_needs_no_case() -> None:
    given(authorized()).when(case("authorize.1")).nothing()
    asked().when(case("authorize.1")).rejected(NotFound)
