"""Expiry and availability: what time may touch, and what it must leave to the PSP's answer."""

import pytest

from aggregates import payment_intent
from aggregates.payment_intent.commands import ExpireAuthorization, MakeFundsAvailable
from schemas.errors import AuthorizationExpiredAlready, InvalidState, NotFound
from schemas.events import (
    AuthorizationExpired,
    AuthorizationVoided,
    CancellationFailed,
    CaptureFailed,
    FundsMadeAvailable,
    PaymentCanceled,
    PaymentCaptured,
)
from tests.aggregates.commands import (
    DELAY_S,
    DEMO_PLAN,
    HOLD_UNTIL,
    T0,
    approved,
    authorized,
    cancel,
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
    given,
    only,
)

EXPIRE = ExpireAuthorization(now_ms=HOLD_UNTIL, confirmed_by="inquiry")
AVAILABLE_AT = T0 + DELAY_S * 1000
RELEASED_10000 = AuthorizationExpired(amount_released=10_000, expires_at=HOLD_UNTIL, confirmed_by="inquiry")


def make_available(now_ms: int = AVAILABLE_AT) -> MakeFundsAvailable:
    return MakeFundsAvailable(capture_id=named("capture.capture"), now_ms=now_ms)


def test_a_hold_runs_out() -> None:
    scenario = given(authorized()).when(EXPIRE).then(RELEASED_10000)
    assert (scenario.state.status, scenario.state.capturable, scenario.state.released) == ("expired", 0, 10_000)
    scenario.when(EXPIRE).nothing()
    scenario.when(request_capture(1)).rejected(AuthorizationExpiredAlready)
    scenario.when(request_cancellation()).rejected(InvalidState, current_status="expired")


def test_a_hold_does_not_run_out_before_its_time() -> None:
    given(authorized()).when(ExpireAuthorization(now_ms=HOLD_UNTIL - 1, confirmed_by="timer")).rejected(
        InvalidState, current_status="authorized", allowed=[]
    )


def test_a_hold_runs_out_once_also_while_a_capture_is_on_its_way() -> None:
    scenario = given(authorized(), request_capture(6000), EXPIRE)
    assert only(AuthorizationExpired, scenario).amount_released == 4000
    scenario.when(EXPIRE).nothing()
    scenario.when(ExpireAuthorization(now_ms=HOLD_UNTIL - 1, confirmed_by="timer")).nothing()


def test_a_hold_without_a_deadline_runs_out_when_the_psp_says_so() -> None:
    held = given(create(authorize="authorize"), start("authorize", "authorize"))
    held = held.given(approved("authorize", 10_000, expires_at=None))
    scenario = held.when(ExpireAuthorization(now_ms=T0 + 5, confirmed_by="psp_webhook"))
    done = scenario.then(AuthorizationExpired(amount_released=10_000, expires_at=T0 + 5, confirmed_by="psp_webhook"))
    assert done.state.status == "expired"


def test_a_partly_captured_hold_keeps_its_word_when_the_rest_runs_out() -> None:
    scenario = given(authorized(), capture(6000)).when(EXPIRE).then(AuthorizationExpired)
    assert only(AuthorizationExpired, scenario).amount_released == 4000
    assert scenario.state.status == "captured"
    scenario.when(request_capture(1, "more")).rejected(AuthorizationExpiredAlready)


@pytest.mark.parametrize(
    "commands",
    [
        [create()],
        [create(authorize="authorize")],
        [*authorized(), *capture(10_000)],
        [*authorized(), *cancel(10_000)],
    ],
)
def test_where_nothing_is_held_nothing_runs_out(commands: list[payment_intent.Command]) -> None:
    given(commands).when(EXPIRE).nothing()


def test_a_capture_on_its_way_is_left_to_its_outcome() -> None:
    scenario = given(authorized(), request_capture(6000), start("capture", "capture")).when(EXPIRE)
    expired = scenario.then(AuthorizationExpired)
    assert only(AuthorizationExpired, expired).amount_released == 4000
    assert expired.state.status == "authorized"
    captured = expired.when(approved("capture", 6000)).then(PaymentCaptured)
    assert (captured.state.status, captured.state.captured, captured.state.released) == ("captured", 6000, 4000)
    failed = expired.when(refused("capture", by="inquiry")).then(
        CaptureFailed, AuthorizationExpired(amount_released=6000, expires_at=HOLD_UNTIL, confirmed_by="inquiry")
    )
    assert (failed.state.status, failed.state.released) == ("expired", 10_000)


def test_a_final_capture_on_its_way_has_nothing_to_release_after_expiry() -> None:
    scenario = given(authorized(), request_capture(6000, final=True), start("capture", "capture"), EXPIRE)
    captured = scenario.when(approved("capture", 6000)).then(PaymentCaptured)
    assert only(PaymentCaptured, captured).hold_released == 6000
    assert (captured.state.released, captured.state.uncaptured) == (4000, 0)


def test_a_hold_that_is_all_on_its_way_expires_with_nothing_so_that_a_failure_releases_it() -> None:
    scenario = given(authorized(), request_capture(None), start("capture", "capture")).when(EXPIRE)
    expired = scenario.then(AuthorizationExpired)
    assert only(AuthorizationExpired, expired).amount_released == 0
    failed = expired.when(refused("capture")).then(CaptureFailed, AuthorizationExpired)
    assert (failed.state.status, failed.state.released) == ("expired", 10_000)
    failed.when(EXPIRE).nothing()


def test_a_cancellation_on_its_way_is_left_to_its_outcome() -> None:
    scenario = given(authorized(), request_cancellation(), start("cancel", "void")).when(EXPIRE)
    expired = scenario.then(AuthorizationExpired)
    assert only(AuthorizationExpired, expired).amount_released == 0
    assert expired.state.status == "authorized"
    voided = expired.when(approved("cancel", 10_000)).then(AuthorizationVoided, PaymentCanceled)
    assert (voided.state.status, voided.state.released) == ("canceled", 10_000)
    failed = expired.when(refused("cancel")).then(
        CancellationFailed, AuthorizationExpired(amount_released=10_000, expires_at=HOLD_UNTIL, confirmed_by="http")
    )
    assert (failed.state.status, failed.state.released) == ("expired", 10_000)


@pytest.mark.parametrize("way", ["capture", "cancel"])
def test_the_deadline_of_a_hold_without_one_is_when_it_was_seen_to_run_out(way: str) -> None:
    held = given(create(authorize="authorize"), start("authorize", "authorize"))
    held = held.given(approved("authorize", 10_000, expires_at=None))
    if way == "capture":
        held = held.given(request_capture(None), start("capture", "capture"), EXPIRE)
    else:
        held = held.given(request_cancellation(), start("cancel", "void"), EXPIRE)
    assert held.state.expired_at is not None
    failed = held.given(refused(way))
    assert only(AuthorizationExpired, failed).expires_at == HOLD_UNTIL


def test_captured_money_becomes_available_once() -> None:
    scenario = (
        given(authorized(plan=DEMO_PLAN), capture(6000))
        .when(make_available())
        .then(FundsMadeAvailable(capture_id=named("capture.capture"), amount=5796, available_on=AVAILABLE_AT))
    )
    assert scenario.state.lots[named("capture.capture")].rest == 0
    scenario.when(make_available()).nothing()


def test_money_does_not_become_available_before_its_time() -> None:
    given(authorized(), capture(6000)).when(make_available(AVAILABLE_AT - 1)).rejected(
        InvalidState, current_status="partially_captured", allowed=[]
    )


def test_a_lot_that_is_used_up_becomes_available_with_nothing() -> None:
    scenario = given(authorized(), capture(6000), request_refund(6000)).when(make_available())
    done = scenario.then(FundsMadeAvailable(capture_id=named("capture.capture"), amount=0, available_on=AVAILABLE_AT))
    assert done.state.lots[named("capture.capture")].available


def test_a_lot_below_zero_becomes_available_as_a_debt() -> None:
    scenario = given(authorized(plan=DEMO_PLAN), capture(10)).when(make_available()).then(FundsMadeAvailable)
    assert only(FundsMadeAvailable, scenario).amount == -20


def test_only_captured_money_becomes_available() -> None:
    given(authorized(), request_capture(6000)).when(make_available()).rejected(NotFound)
    failed = given(authorized(), request_capture(6000), start("capture", "capture"), refused("capture"))
    failed.when(make_available()).rejected(NotFound)
