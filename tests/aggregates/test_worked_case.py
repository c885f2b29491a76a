"""The worked case of the payments contract, as far as the aggregate decides it."""

from aggregates.payment_intent.commands import MakeFundsAvailable
from schemas.events import (
    AuthorizationVoided,
    CancellationRequested,
    FundsMadeAvailable,
    PaymentCaptured,
    PaymentRefunded,
    RefundRequested,
)
from schemas.events.fees import PlatformFee
from schemas.events.refunds import Funding
from tests.aggregates.commands import (
    DELAY_S,
    DEMO_PLAN,
    T0,
    approved,
    authorized,
    capture,
    named,
    request_cancellation,
    request_capture,
    request_refund,
    start,
)
from tests.aggregates.scenario import (
    given,
    only,
)

AVAILABLE_AT = T0 + DELAY_S * 1000


def test_the_worked_case_of_the_contract_to_the_last_cent() -> None:
    scenario = given(authorized(10_000, plan=DEMO_PLAN), capture(6000, "capture_1", fee=66))
    first = only(PaymentCaptured, scenario)
    assert first.platform_fee == PlatformFee(percent=174, fixed=30, total=204)
    assert (first.hold_released, first.psp_fee.amount, first.available_on) == (6000, 66, AVAILABLE_AT)

    scenario = scenario.given(capture(3000, "capture_2", fee=33))
    second = only(PaymentCaptured, scenario)
    assert second.platform_fee == PlatformFee(percent=87, fixed=0, total=87)
    assert scenario.state.status == "partially_captured"

    scenario = scenario.when(request_cancellation()).then(CancellationRequested)
    scenario = scenario.given(start("cancel", "void"), approved("cancel", 1000))
    assert [type(event) for event in scenario.caused] == [AuthorizationVoided]
    assert only(AuthorizationVoided, scenario).amount_released == 1000
    assert scenario.state.status == "captured"

    scenario = scenario.when(request_refund(5000)).then(RefundRequested)
    assert only(RefundRequested, scenario).funding == (
        Funding(source="merchant_pending", capture_id=named("capture_1.capture"), amount=5000),
    )
    scenario = scenario.given(start("refund", "refund"), approved("refund", 5000))
    assert only(PaymentRefunded, scenario).platform_fee_returned == 0

    for name, rest in (("capture_1", 796), ("capture_2", 2913)):
        scenario = scenario.when(MakeFundsAvailable(capture_id=named(f"{name}.capture"), now_ms=AVAILABLE_AT)).then(
            FundsMadeAvailable(capture_id=named(f"{name}.capture"), amount=rest, available_on=AVAILABLE_AT)
        )

    state = scenario.state
    assert state.status == "partially_refunded"
    assert (state.authorized, state.captured, state.released, state.refunded) == (10_000, 9000, 1000, 5000)
    assert state.capturable == 0
    assert state.fee_charged == 291


def test_the_last_capture_may_be_final_instead_of_a_void() -> None:
    scenario = given(authorized(10_000, plan=DEMO_PLAN), capture(6000, "capture_1"))
    scenario = scenario.given(
        request_capture(3000, "capture_2", final=True), start("capture_2", "capture"), approved("capture_2", 3000)
    )
    assert only(PaymentCaptured, scenario).hold_released == 4000
    assert scenario.state.released == 1000
    assert scenario.state.status == "captured"
