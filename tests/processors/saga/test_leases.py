"""Leases: a slow PSP, two sagas at once, a step that fails, and what breaking the defence looks like."""

import asyncio
from itertools import count

import msgspec

from bootstrap.clock import SYSTEM_CLOCK
from processors.psp.provider import AuthorizeOrder, OrderReply, Unknown
from processors.psp.simulator import SimulatorPsp
from processors.saga import redrive
from schemas.events import PaymentAuthorized, PspAttemptStarted, PspOutcomeUnknown
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.oracles.psp import faults_of_psp, simulator_log
from tests.processors.saga.harness import DELAY_SCALE, running_saga, simulator_options, worker_options


class SlowPsp(SimulatorPsp):
    """Answers long after its worker's lease has ended; the first time it did not even catch the answer."""

    calls = 0

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        self.calls += 1
        first = self.calls == 1
        reply = await super().authorize(order)
        await asyncio.sleep(0.5 if first else 0.8)
        return Unknown(cause="timeout") if first else reply


async def test_a_lease_that_ends_during_a_call_leaves_one_charge_and_one_story(
    saga_database: str, fast_psp: SimulatorProcess
) -> None:
    psp = SlowPsp(simulator_options(fast_psp.url))
    options = worker_options(lease_s=0.3, grace_s=3)
    async with running_saga(saga_database, fast_psp.url, psp=psp, options=options) as saga:
        intent = await saga.shop.order()
        state = await saga.shop.settled(intent)
        await asyncio.sleep(1.5)  # until every call that was under way has ended

        events = await saga.shop.events(intent)
        (attempt,) = state.attempts.values()
        lines = [line for line in await simulator_log(fast_psp.url) if line["reference"] == attempt.our_reference]
        steps = await saga.steps("subject = $1", attempt.id)
    assert psp.calls > 1
    assert state.status == "authorized"
    # Whoever took over said first that the PSP may have been called; what the late workers did not know, they kept.
    assert [event.tries for event in events if isinstance(event, PspOutcomeUnknown)] == [1]
    assert len([event for event in events if isinstance(event, PaymentAuthorized)]) == 1
    assert len([event for event in events if isinstance(event, PspAttemptStarted)]) == 1
    assert len(lines) == 1
    (step,) = steps
    assert step["lease_epoch"] > 1
    assert step["finished_at"] is not None


async def test_two_sagas_share_the_work_and_charge_once(saga_database: str, fast_psp: SimulatorProcess) -> None:
    tokens = ["tok_ok", "tok_timeout_after", "tok_decline", "tok_http500_after", "tok_ok+capture=reset_after"] * 6
    async with (
        running_saga(saga_database, fast_psp.url, options=worker_options("one", concurrency=4)) as one,
        running_saga(saga_database, fast_psp.url, options=worker_options("two", concurrency=4)) as two,
    ):
        intents = [await one.shop.order(token) for token in tokens]
        states = [await two.shop.settled(intent) for intent in intents]
        for intent, state in zip(intents, states, strict=True):
            if state.status == "authorized":
                await two.shop.capture(intent)
        states = [await one.shop.settled(intent) for intent in intents]
        holders = {
            row["leased_by"] for row in await one.steps("kind = 'call' AND stream_id = ANY ($1::uuid[])", intents)
        }

    references = {attempt.our_reference for state in states for attempt in state.attempts.values()}
    lines = [line for line in await simulator_log(fast_psp.url) if line["reference"] in references]
    assert [state.status for state in states] == ["captured", "captured", "declined", "captured", "captured"] * 6
    assert faults_of_psp(lines, states) == []
    assert holders == {"one", "two"}


class BrokenPsp(SimulatorPsp):
    """An adapter with a defect."""

    broken = True

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        if self.broken and order.amount == 66_600:
            raise RuntimeError("a defect of ours")
        return await super().authorize(order)


async def test_a_failing_step_keeps_its_error_and_delays_nobody(saga_database: str, fast_psp: SimulatorProcess) -> None:
    psp = BrokenPsp(simulator_options(fast_psp.url))
    options = worker_options(concurrency=2)
    async with running_saga(saga_database, fast_psp.url, psp=psp, options=options) as saga:
        failing = [await saga.shop.order(amount=66_600) for _ in range(4)]
        fine = [await saga.shop.order() for _ in range(8)]
        for intent in fine:
            assert (await saga.shop.settled(intent)).status == "authorized"

        failed = [step for step in await redrive.failed_steps(saga.pool) if step.stream_id in failing]
        assert {step.stream_id for step in failed} == set(failing)
        assert {step.error for step in failed} == {"RuntimeError: a defect of ours"}

        psp.broken = False
        for step in failed:
            await redrive.redrive(saga.pool, step, now_ms=SYSTEM_CLOCK.now_ms())
        for intent in failing:
            assert (await saga.shop.settled(intent)).status == "authorized"
        # An outcome is in the log shortly before its step is marked as finished.
        async with asyncio.timeout(15):
            while failed:
                await asyncio.sleep(0.05)
                failed = [step for step in await redrive.failed_steps(saga.pool) if step.stream_id in failing]


class FreshKeyPsp(SimulatorPsp):
    """The defence broken: every call of an attempt under a key of its own."""

    with_fresh_reference = False

    def __init__(self, url: str) -> None:
        super().__init__(simulator_options(url, deadline_s=0.4))
        self._numbers = count(1)

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        number = next(self._numbers)
        order = msgspec.structs.replace(order, idempotency_key=f"{order.idempotency_key}-{number}")
        if self.with_fresh_reference:
            order = msgspec.structs.replace(order, reference=f"{order.reference}-{number}")
        return await super().authorize(order)


async def test_a_fresh_key_on_retry_does_not_escape_the_oracle(saga_database: str, fast_psp: SimulatorProcess) -> None:
    psp = FreshKeyPsp(fast_psp.url)
    async with running_saga(saga_database, fast_psp.url, psp=psp) as saga:
        intent = await saga.shop.order("tok_timeout_after")
        state = await saga.shop.settled(intent)
        (attempt,) = state.attempts.values()
        lines = [line for line in await simulator_log(fast_psp.url) if attempt.our_reference in line["reference"]]
        assert any("not the announced key" in fault for fault in faults_of_psp(lines, [state]))

        psp.with_fresh_reference = True
        intent = await saga.shop.order("tok_timeout_after")
        state = await saga.shop.until(intent, lambda state: any(a.tries >= 3 for a in state.attempts.values()))
        (attempt,) = state.attempts.values()
        lines = [line for line in await simulator_log(fast_psp.url) if attempt.our_reference in line["reference"]]
        assert len(lines) > 1, "the payer was charged more than once"
        assert any("no attempt announced" in fault for fault in faults_of_psp(lines, [state]))


class OldClock:
    """A day later than it is: whatever was begun before this process started is a day old."""

    def now_ms(self) -> int:
        return SYSTEM_CLOCK.now_ms() + round(24 * 3_600_000 * DELAY_SCALE)


async def test_a_key_that_the_psp_may_have_forgotten_is_asked_about_and_not_sent_again(
    saga_database: str, fast_psp: SimulatorProcess
) -> None:
    dead = BrokenPsp(simulator_options(fast_psp.url))
    async with running_saga(saga_database, fast_psp.url, psp=dead) as saga:
        intent = await saga.shop.order(amount=66_600)
        await saga.shop.until(intent, lambda state: bool(state.attempts))

    async with running_saga(saga_database, fast_psp.url, clock=OldClock()) as saga:
        state = await saga.shop.settled(intent)
        (attempt,) = state.attempts.values()
        results = [row["result"] for row in await saga.steps("subject = $1", attempt.id)]
    assert results[0] == "then_inquiry"
    assert state.status == "declined"
    lines = [line for line in await simulator_log(fast_psp.url) if line["reference"] == attempt.our_reference]
    assert [line["result"] for line in lines] == ["tombstoned"]
