"""Each of the simulator's scenarios, end to end: store, steps, workers, adapter, simulator, store."""

from schemas.events import PspAttemptStarted
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.processors.saga.harness import RunningSaga, faults

AUTHORIZATIONS = {
    "tok_ok": "authorized",
    "tok_decline": "declined",
    "tok_insufficient_funds": "declined",
    "tok_lost_card": "declined",
    "tok_timeout_before": "authorized",
    "tok_timeout_after": "authorized",
    "tok_reset_after": "authorized",
    "tok_http500_before": "declined",
    "tok_http500_after": "authorized",
    "tok_unavailable": "declined",
    "tok_slow": "authorized",
    "tok_pending_ok": "authorized",
    "tok_pending_decline": "declined",
    "tok_malformed": "authorized",
    "tok_wrong_amount": "authorized",
    "tok_not_found_then_ok": "authorized",
    "tok_rate_limited": "declined",
}


async def test_an_authorization_ends_as_the_scenario_says(saga: RunningSaga, fast_psp: SimulatorProcess) -> None:
    intents = {token: await saga.shop.order(token) for token in AUTHORIZATIONS}

    states = {token: await saga.shop.settled(intent) for token, intent in intents.items()}

    assert {token: state.status for token, state in states.items()} == AUTHORIZATIONS
    assert await faults(fast_psp, *states.values()) == []


async def test_the_whole_path_of_a_payment(saga: RunningSaga) -> None:
    shop = saga.shop
    intent = await shop.order(amount=10_000)
    assert (await shop.settled(intent)).status == "authorized"
    await shop.capture(intent, 6_000)
    assert (await shop.settled(intent)).status == "partially_captured"
    await shop.cancel(intent)
    state = await shop.settled(intent)
    assert (state.captured, state.released) == (6_000, 4_000)
    await shop.refund(intent, 1_000)
    state = await shop.settled(intent)
    assert (state.status, state.refunded) == ("partially_refunded", 1_000)
    state = await shop.until(intent, lambda state: all(lot.available for lot in state.lots.values()))
    started = [event for event in await shop.events(intent) if isinstance(event, PspAttemptStarted)]
    assert [event.operation for event in started] == ["authorize", "capture", "void", "refund"]
