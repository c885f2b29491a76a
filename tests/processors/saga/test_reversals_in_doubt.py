"""A reversal that was sent and not answered: it may still arrive, so nothing that it would undo is told as done."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from aggregates.payment_intent.commands import RecordOutcome
from bootstrap.clock import SYSTEM_CLOCK
from processors.psp.provider import (
    Answer,
    AuthorizeOrder,
    Inquiry,
    InquiryReply,
    OrderReply,
    ReversalOrder,
    ReversalReply,
    Unknown,
)
from processors.psp.simulator import SimulatorPsp
from processors.saga import redrive
from processors.saga.ladder import Approved
from processors.saga.outcomes import outcome_of
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.processors.saga.harness import RunningSaga, eventually, faults, running_saga, simulator_options


class DelayingPsp(SimulatorPsp):
    """Answers neither inquiries nor reversals while `silent`; reversals lie on their way until `deliver`."""

    silent = True

    def __init__(self, url: str) -> None:
        super().__init__(simulator_options(url))
        self.under_way: list[ReversalOrder] = []

    async def inquire(self, inquiry: Inquiry) -> InquiryReply:
        return Unknown(cause="timeout") if self.silent else await super().inquire(inquiry)

    async def reverse(self, order: ReversalOrder) -> ReversalReply:
        if not self.silent:
            return await super().reverse(order)
        self.under_way.append(order)
        return Unknown(cause="timeout")

    async def deliver(self) -> None:
        """What was under way arrives."""
        for order in self.under_way:
            await super().reverse(order)


async def test_a_payment_whose_reversal_may_still_arrive_is_not_told_as_done(
    saga_database: str, fast_psp: SimulatorProcess
) -> None:
    psp = DelayingPsp(fast_psp.url)
    async with running_saga(saga_database, fast_psp.url, psp=psp) as saga:
        intent = await saga.shop.order("tok_http500_after", method="automatic")
        await saga.shop.until(intent, lambda state: bool(state.open_cases))
        psp.silent = False
        await redrive_cases_of(saga, intent)
        state = await saga.shop.settled(intent)
        await psp.deliver()

        assert await faults(fast_psp, state) == []
        assert state.status == "declined"
        assert state.open_cases == {}


async def redrive_cases_of(saga: RunningSaga, intent: UUID) -> None:
    async def redriven() -> bool:
        cases = [case for case in await redrive.open_cases(saga.pool) if case.stream_id == intent]
        return any(
            [await redrive.redrive_case(saga.pool, case.case_id, now_ms=SYSTEM_CLOCK.now_ms()) for case in cases]
        )

    assert await eventually(redriven)


class LosingPsp(SimulatorPsp):
    """Authorizes, but is not heard: only `heard` holds its yes. Of its reversals the one numbered `arriving` arrives.

    While `silent` it answers no inquiry and no reversal.
    """

    silent = True

    def __init__(self, url: str, *, arriving: int) -> None:
        super().__init__(simulator_options(url))
        self._arriving = arriving
        self._reversals = 0
        self.heard: Answer | None = None
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        reply = await super().authorize(order)
        assert isinstance(reply, Answer)
        self.heard = reply
        return Unknown(cause="timeout")

    async def inquire(self, inquiry: Inquiry) -> InquiryReply:
        return Unknown(cause="timeout") if self.silent else await super().inquire(inquiry)

    async def reverse(self, order: ReversalOrder) -> ReversalReply:
        if not self.silent:
            return await super().reverse(order)
        self._reversals += 1
        if self._reversals == self._arriving:
            await super().reverse(order)
            assert self.meanwhile is not None
            await self.meanwhile()
        return Unknown(cause="timeout")


async def tell_what_was_heard(saga: RunningSaga, intent: UUID, psp: LosingPsp) -> None:
    """What a worker does that stood still with the PSP's yes in its hand, long after its lease ended."""
    (attempt,) = (await saga.shop.state(intent)).attempts.values()
    assert psp.heard is not None
    outcome = outcome_of(attempt, Approved(answer=psp.heard, resolved_by="retry"), currency="EUR", tries=1)
    command = RecordOutcome(attempt_id=attempt.id, outcome=outcome, now_ms=SYSTEM_CLOCK.now_ms())
    await saga.shop.command(intent, command, attempt.operation_id)


@pytest.mark.parametrize("arriving", [1, 6])
async def test_a_yes_that_is_told_while_its_reversal_is_under_way_is_not_believed(
    saga_database: str, fast_psp: SimulatorProcess, arriving: int
) -> None:
    psp = LosingPsp(fast_psp.url, arriving=arriving)
    async with running_saga(saga_database, fast_psp.url, psp=psp) as saga:
        intent = await saga.shop.order()
        psp.meanwhile = lambda: tell_what_was_heard(saga, intent, psp)

        state = await saga.shop.until(intent, lambda state: bool(state.open_cases), deadline_s=30)
        assert all(attempt.open for attempt in state.attempts.values())
        psp.silent = False
        await redrive_cases_of(saga, intent)

        state = await saga.shop.settled(intent)
        assert state.status == "declined"
        assert state.open_cases == {}
        assert await faults(fast_psp, state) == []
