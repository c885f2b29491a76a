"""A yes after the merchant was told no: nothing is resurrected, the money goes back, once. And a no after a yes."""

from typing import Literal
from uuid import UUID

import pytest

from aggregates.payment_intent.commands import RecordOutcome
from bootstrap.clock import SYSTEM_CLOCK
from processors.psp.declines import decline
from processors.psp.provider import Answer, AuthorizeOrder, OrderReply
from processors.psp.simulator import SimulatorPsp
from processors.saga import redrive
from processors.saga.ladder import Approved, Negative
from processors.saga.orders import inquiry_of
from processors.saga.outcomes import outcome_of
from schemas.events import LateSuccessReceived, LateSuccessReversed
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.oracles.psp import simulator_log
from tests.processors.saga.harness import RunningSaga, eventually, faults, running_saga, simulator_options


class ForgetfulPsp(SimulatorPsp):
    """Says declined when asked to authorize, though it has held or taken the money: a late success in the making."""

    def __init__(self, url: str) -> None:
        super().__init__(simulator_options(url))

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        await super().authorize(order)
        return Answer(
            approved=False,
            amount=order.amount,
            currency=order.currency,
            psp_reference=None,
            psp_operation_reference=None,
            decline=decline("generic_decline"),
        )


@pytest.mark.parametrize(("method", "kind", "via"), [("manual", "hold", "void"), ("automatic", "charge", "refund")])
async def test_a_late_success_is_undone_once(
    saga_database: str, fast_psp: SimulatorProcess, method: Literal["automatic", "manual"], kind: str, via: str
) -> None:
    psp = ForgetfulPsp(fast_psp.url)
    async with running_saga(saga_database, fast_psp.url, psp=psp) as saga:
        intent = await saga.shop.order(method=method)
        state = await saga.shop.settled(intent)
        assert state.status == "declined"
        await tell_the_truth(saga, intent, psp)

        state = await saga.shop.until(
            intent, lambda state: all(late.reversed for late in state.late_successes.values())
        )

        received, reversed_ = (await saga.shop.events(intent))[-3::2]
        assert isinstance(received, LateSuccessReceived)
        assert isinstance(reversed_, LateSuccessReversed)
        assert (received.kind, reversed_.via, reversed_.amount) == (kind, via, 10_000)
        # What the PSP took for the charge it gives back with it, and the books have to hear of both.
        taken = 0 if received.psp_fee is None else received.psp_fee.amount
        returned = 0 if reversed_.psp_fee is None else reversed_.psp_fee.amount
        assert (taken, returned) == ((110, -110) if kind == "charge" else (0, 0))
        (reference,) = {attempt.our_reference for attempt in state.attempts.values()}
        lines = [line for line in await simulator_log(fast_psp.url) if line["reference"] == reference]
        assert [line["operation"] for line in lines] == ["payment", "reversal"]


async def tell_the_truth(saga: RunningSaga, intent: UUID, psp: SimulatorPsp) -> None:
    """The PSP's true answer arrives after all, as from a webhook."""
    state = await saga.shop.state(intent)
    (attempt,) = state.attempts.values()
    answer = await psp.inquire(inquiry_of(state, attempt))
    assert isinstance(answer, Answer)
    verdict = Approved(answer=answer, resolved_by="psp_webhook")
    outcome = outcome_of(attempt, verdict, currency="EUR", tries=1)
    command = RecordOutcome(attempt_id=attempt.id, outcome=outcome, now_ms=SYSTEM_CLOCK.now_ms())
    await saga.shop.command(intent, command, attempt.operation_id)


async def test_a_no_after_a_yes_is_a_case_and_asking_again_undoes_nothing(
    saga: RunningSaga, fast_psp: SimulatorProcess
) -> None:
    intent = await saga.shop.order()
    state = await saga.shop.settled(intent)
    (attempt,) = state.attempts.values()
    lost_card = decline("lost_card")
    answer = Answer(
        approved=False,
        amount=10_000,
        currency="EUR",
        psp_reference=None,
        psp_operation_reference=None,
        decline=lost_card,
    )
    verdict = Negative(decline=lost_card, answer=answer, resolved_by="psp_webhook")
    command = RecordOutcome(
        attempt_id=attempt.id,
        outcome=outcome_of(attempt, verdict, currency="EUR", tries=1),
        now_ms=SYSTEM_CLOCK.now_ms(),
    )
    state = await saga.shop.command(intent, command, attempt.operation_id)
    assert [case.reason for case in state.open_cases.values()] == ["negative_after_success"]

    async def case_of_intent() -> redrive.OpenCase | None:
        return next((case for case in await redrive.open_cases(saga.pool) if case.stream_id == intent), None)

    case = await eventually(case_of_intent)
    assert await redrive.redrive_case(saga.pool, case.case_id, now_ms=SYSTEM_CLOCK.now_ms())

    async def asked() -> list[str]:
        rows = await saga.steps("subject = $1 AND kind <> 'call' AND finished_at IS NOT NULL", attempt.id)
        return [row["result"] for row in rows]

    assert await eventually(asked) == ["approved"]
    assert (await saga.shop.state(intent)).status == "authorized"
    assert list((await saga.shop.state(intent)).open_cases) == [case.case_id]
    assert await faults(fast_psp, await saga.shop.state(intent)) == []
    assert await saga.steps("subject = $1 AND finished_at IS NULL", attempt.id) == []
