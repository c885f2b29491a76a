"""What time alone brings about, on a simulator whose clock the test moves."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from processors.psp.provider import Answer, NotFound, Pending, Unknown
from processors.saga.timers import AskAgain, Lapsed, expiry_verdict
from schemas.events import AuthorizationExpired
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.processors.saga.harness import eventually, running_saga, worker_options

WEEK_S = 7 * 86_400
# A week of the PSP's is a second and a half of ours.
WEEK_IN_A_BLINK = 1.5 / WEEK_S


@pytest_asyncio.fixture
async def slow_psp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatorProcess]:
    process = SimulatorProcess(tmp_path_factory.mktemp("slow_psp"), clock_scale=1)
    await process.start()
    yield process
    process.terminate()


async def test_a_hold_expires_once_its_psp_says_so(database: str, slow_psp: SimulatorProcess) -> None:
    options = worker_options(delay_scale=WEEK_IN_A_BLINK)
    async with running_saga(database, slow_psp.url, options=options, deadline_s=2) as saga:
        shop = saga.shop
        whole, part, taken = [await shop.order() for _ in range(3)]
        for intent in (whole, part, taken):
            await shop.settled(intent)
        await shop.capture(part, 4_000)
        await shop.capture(taken)
        for intent in (part, taken):
            await shop.settled(intent)
        # Overdue by our books; the PSP, whose clock has not moved, still holds the money.
        await shop.until(whole, lambda _: True)
        async with httpx.AsyncClient(base_url=slow_psp.url) as controls:
            assert (await shop.state(whole)).status == "authorized"
            await controls.post("/sim/clock", json={"advance_s": WEEK_S + 60})

        expired = await shop.until(whole, lambda state: state.expired_at is not None)
        rest = await shop.until(part, lambda state: state.expired_at is not None)
        last = (await shop.events(whole))[-1]

        async def let_be() -> bool:
            rows = await saga.steps("stream_id = $1 AND kind = 'expiry' AND result = 'not_needed'", taken)
            return bool(rows)

        # The hold that was captured whole has nothing left to run out; its own step may still be under way.
        assert await eventually(let_be)
        still = await shop.state(taken)

    assert (expired.status, expired.released) == ("expired", 10_000)
    assert (rest.status, rest.released) == ("captured", 6_000)
    assert isinstance(last, AuthorizationExpired)
    assert last.confirmed_by == "inquiry"
    assert (still.status, still.expired_at) == ("captured", None)


async def test_a_silent_psp_cannot_keep_a_hold_alive(database: str, slow_psp: SimulatorProcess) -> None:
    options = worker_options(delay_scale=WEEK_IN_A_BLINK)
    async with running_saga(database, slow_psp.url, options=options) as saga:
        intent = await saga.shop.order()
        assert (await saga.shop.settled(intent)).status == "authorized"
        slow_psp.terminate()

        state = await saga.shop.until(intent, lambda state: state.expired_at is not None)
        last = (await saga.shop.events(intent))[-1]

    assert state.status == "expired"
    assert isinstance(last, AuthorizationExpired)
    assert last.confirmed_by == "timer"


def hold(**facts: object) -> Answer:
    fields: dict[str, object] = {
        "approved": True,
        "amount": 1,
        "currency": "EUR",
        "psp_reference": "p",
        "psp_operation_reference": "p",
        "captured": 0,
        "expires_at": 1_000,
    }
    return Answer(**{**fields, **facts})  # type: ignore[arg-type]


def test_only_the_psps_word_or_its_long_silence_ends_a_hold() -> None:
    def verdict(reply: Answer | NotFound | Pending | Unknown, round_no: int = 1) -> Lapsed | AskAgain:
        return expiry_verdict(reply, expired_at=1_000, round_no=round_no)

    assert verdict(hold(lapsed=True)) == Lapsed("inquiry")
    assert verdict(hold()) == AskAgain(2_000)
    assert verdict(hold(captured=1)) == Lapsed("inquiry")
    assert verdict(hold(captured=1, expires_at=1_001)) == AskAgain(2_000)
    assert verdict(Pending(), round_no=9) == AskAgain(3_600_000)
    assert verdict(NotFound(), round_no=5) == AskAgain(32_000)
    assert verdict(NotFound(), round_no=6) == Lapsed("timer")
    assert verdict(Unknown(cause="timeout"), round_no=6) == Lapsed("timer")
