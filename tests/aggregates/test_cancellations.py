"""Cancellations: what is released, when the intent ends with it, and when it has to wait."""

import pytest

from aggregates import payment_intent
from schemas.errors import InvalidState, OperationInProgress
from schemas.events import (
    AuthorizationVoided,
    CancellationFailed,
    CancellationRequested,
    CaptureRequested,
    PaymentCanceled,
)
from tests.aggregates.commands import (
    approved,
    authorized,
    cancel,
    capture,
    create,
    named,
    refund,
    refused,
    request_authorization,
    request_cancellation,
    request_capture,
    start,
)
from tests.aggregates.scenario import (
    given,
    only,
)


@pytest.mark.parametrize(
    "commands",
    [[create()], [create(authorize="authorize"), start("authorize", "authorize"), refused("authorize")]],
)
def test_what_was_never_authorized_is_canceled_at_once(commands: list[payment_intent.Command]) -> None:
    scenario = given(commands).when(request_cancellation()).then(PaymentCanceled(reason="out_of_stock"))
    assert scenario.state.status == "canceled"
    assert payment_intent.operation_ended_at(scenario.state, named("cancel")) == scenario.state.version


def test_a_cancellation_without_an_operation_still_cancels() -> None:
    scenario = given(create()).recording([PaymentCanceled(reason="by_operator")])
    assert scenario.state.status == "canceled"
    assert scenario.state.operations == {}


def test_a_void_with_nothing_captured_cancels_the_intent() -> None:
    scenario = given(authorized()).when(request_cancellation()).then(CancellationRequested)
    assert (only(CancellationRequested, scenario).amount, scenario.state.status) == (10_000, "authorized")
    assert scenario.state.capturable == 0
    voided = scenario.given(start("cancel", "void")).when(approved("cancel", 0))
    done = voided.then(AuthorizationVoided, PaymentCanceled)
    assert only(AuthorizationVoided, done).amount_released == 10_000
    assert done.state.status == "canceled"
    assert payment_intent.operation_ended_at(done.state, named("cancel")) == done.state.version


def test_a_void_after_a_capture_only_releases_the_rest() -> None:
    scenario = given(authorized(), capture(6000), request_cancellation(), start("cancel", "void"))
    done = scenario.when(approved("cancel", 4000)).then(AuthorizationVoided)
    assert (done.state.released, done.state.status) == (4000, "captured")
    assert payment_intent.operation_ended_at(done.state, named("cancel")) == done.state.version


def test_a_cancellation_waits_for_captures() -> None:
    given(authorized(), request_capture(6000)).when(request_cancellation()).rejected(OperationInProgress)
    unknown = given(authorized(), request_capture(6000), start("capture", "capture"))
    unknown.when(request_cancellation()).rejected(OperationInProgress)


def test_a_cancellation_waits_for_an_authorization() -> None:
    given(create(authorize="authorize")).when(request_cancellation()).rejected(OperationInProgress)


def test_a_cancellation_waits_for_another() -> None:
    given(authorized(), request_cancellation("first")).when(request_cancellation()).rejected(OperationInProgress)


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([*authorized(), *capture(10_000)], "captured"),
        ([*authorized(), *capture(10_000), *refund(10_000)], "refunded"),
        ([*authorized(), *cancel(10_000, "first")], "canceled"),
        ([create(), request_cancellation("first")], "canceled"),
    ],
)
def test_nothing_left_to_release(commands: list[payment_intent.Command], status: str) -> None:
    given(commands).when(request_cancellation()).rejected(InvalidState, current_status=status)


def test_a_cancellation_that_failed_leaves_the_hold() -> None:
    scenario = given(authorized(), request_cancellation(), start("cancel", "void"))
    scenario = scenario.when(refused("cancel")).then(CancellationFailed)
    assert (scenario.state.status, scenario.state.capturable) == ("authorized", 10_000)
    assert payment_intent.operation_ended_at(scenario.state, named("cancel")) == scenario.state.version
    scenario.when(request_cancellation("again")).then(CancellationRequested)
    scenario.when(request_capture(None)).then(CaptureRequested)


def test_a_canceled_intent_is_not_authorized_again() -> None:
    given(create(), request_cancellation()).when(request_authorization()).rejected(
        InvalidState, current_status="canceled"
    )
