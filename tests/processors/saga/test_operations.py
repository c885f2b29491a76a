"""Captures, refunds and voids whose PSP misbehaves; unknown for ever."""

from bootstrap.clock import SYSTEM_CLOCK
from processors.saga import redrive
from schemas.events import (
    ManualCaseOpened,
    PspOutcomeUnknown,
)
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.oracles.psp import faults_of_waiting
from tests.processors.saga.harness import RunningSaga, eventually, faults

SUCCEEDING = (
    "ok",
    "timeout_before",
    "timeout_after",
    "reset_after",
    "http500_after",
    "slow",
    "pending_ok",
    "malformed",
)
SUCCEEDING_LATER = ("wrong_amount", "not_found_then_ok")
FAILING = ("decline", "http500_before", "unavailable", "pending_decline", "rate_limited")


async def test_capture_refund_and_void_end_as_the_scenario_says(saga: RunningSaga, fast_psp: SimulatorProcess) -> None:
    shop = saga.shop
    scenarios = [*SUCCEEDING, *SUCCEEDING_LATER, *FAILING]
    captured = [await shop.order(f"tok_ok+capture={scenario}") for scenario in scenarios]
    refunded = [await shop.order(f"tok_ok+refund={scenario}", method="automatic") for scenario in scenarios]
    voided = [await shop.order(f"tok_ok+void={scenario}") for scenario in scenarios]
    for intent in (*captured, *refunded, *voided):
        await shop.settled(intent)
    for capture, refund, void in zip(captured, refunded, voided, strict=True):
        await shop.capture(capture, 4_000)
        await shop.refund(refund, 2_500)
        await shop.cancel(void)

    captures, refunds, voids = [
        [await shop.settled(intent) for intent in intents] for intents in (captured, refunded, voided)
    ]

    amounts = {
        scenario: (capture.captured, refund.refunded, void.released)
        for scenario, capture, refund, void in zip(scenarios, captures, refunds, voids, strict=True)
    }
    assert amounts == {scenario: (0, 0, 0) if scenario in FAILING else (4_000, 2_500, 10_000) for scenario in scenarios}
    states = (*captures, *refunds, *voids)
    assert [case for state in states for case in state.open_cases] == []
    assert await faults(fast_psp, *states) == []


async def test_what_nobody_can_find_out_becomes_a_case_that_can_be_asked_about_again(
    saga: RunningSaga, fast_psp: SimulatorProcess, saga_database: str
) -> None:
    intent = await saga.shop.order("tok_unknown_forever")

    state = await saga.shop.until(intent, lambda state: bool(state.open_cases))

    assert state.status == "processing"
    events = await saga.shop.events(intent)
    unknown = [event for event in events if isinstance(event, PspOutcomeUnknown)]
    assert [event.next_step for event in unknown] == [
        *["retry"] * 5,
        "inquiry",
        "reversal",
        *["reversal"] * 5,
        "manual_case",
    ]
    assert isinstance(events[-1], ManualCaseOpened)

    async def case_of_intent() -> redrive.OpenCase | None:
        return next((case for case in await redrive.open_cases(saga.pool) if case.stream_id == intent), None)

    case = await eventually(case_of_intent)
    assert (case.exposure, case.currency) == (10_000, "EUR")
    assert await faults_of_waiting(saga_database, [state]) == []

    asked = len(await saga.steps("subject = $1", case.attempt_id))
    assert await redrive.redrive_case(saga.pool, case.case_id, now_ms=SYSTEM_CLOCK.now_ms())
    assert not await redrive.redrive_case(saga.pool, case.case_id, now_ms=SYSTEM_CLOCK.now_ms())

    async def asked_again() -> bool:
        return len(await saga.steps("subject = $1 AND finished_at IS NOT NULL", case.attempt_id)) > asked

    assert await eventually(asked_again)
    assert len((await saga.shop.state(intent)).open_cases) == 1
