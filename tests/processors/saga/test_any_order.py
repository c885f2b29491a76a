"""Whatever becomes of each message and each worker, our log and the PSP's say the same in the end."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from aggregates.payment_intent.commands import Command
from processors.psp.provider import NotProcessed, Unknown
from processors.psp.simulator import _Reply
from projections.ledger.postings import post
from schemas.errors import Rejected
from tests.aggregates import commands
from tests.oracles.psp import faults_of_psp
from tests.processors.saga.virtual_psp import Asked
from tests.processors.saga.virtual_saga import VirtualSaga, Worker

TOKENS = st.sampled_from(["tok_ok"] * 4 + ["tok_decline", "tok_pending_ok", "tok_ok+capture=pending_ok"])
FATES = st.sampled_from(
    ["heard", "heard", "arrives, unheard", "on its way", "on its way", "lost", "unsent", "refused", "dies"]
)
FATES_OF_ONE = FATES | st.just("not sent yet")
TIMES = st.sampled_from([1, 1, 2, 5, 6, 15])
UNHEARD = Unknown(cause="timeout")
UNSENT = NotProcessed(psp_code="unreachable", http_status=None, retryable=True)
REFUSED = NotProcessed(psp_code="refused", http_status=422, retryable=False)


class AnyOrder(RuleBasedStateMachine):
    """One payment, a network that does as it likes, and workers that die or stand still."""

    @initialize(token=TOKENS, sale=st.booleans())
    def begin(self, token: str, sale: Any) -> None:
        create = commands.create(10_000, capture_method="automatic" if sale else "manual", authorize="authorize")
        assert create.authorize is not None
        method = replace(create.authorize.payment_method, token_ref=token)
        asked = replace(create.authorize, payment_method=method)
        self.saga = VirtualSaga(replace(create, authorize=asked))
        self.number = 0

    @rule(want=st.sampled_from(["capture", "capture", "refund", "cancel"]), part=st.sampled_from([None, 1_000, 4_000]))
    def the_merchant_asks(self, want: str, part: int | None) -> None:
        self.number += 1
        name = f"{want}-{self.number}"
        command: Command = commands.request_cancellation(name)
        if want != "cancel":
            asks = commands.request_capture if want == "capture" else commands.request_refund
            command = asks(part, name)
        try:
            self.saga.log.take(command, commands.named(name))
        except Rejected:
            return

    @rule(fate=FATES, times=TIMES, timers=st.sampled_from([False, False, False, True]))
    def time_passes(self, fate: str, times: int, timers: bool) -> None:
        """What befalls one message usually befalls the next: a network is down, or slow, for a while."""
        for _ in range(times):
            row = self.saga.steps.next_row(timers=timers)
            if row is None:
                return
            self._meet(self.saga.begin_step(row), fate)

    @rule(asked=st.booleans(), moments=st.integers(0, 4), fate=FATES_OF_ONE, meanwhile=FATES, times=TIMES | st.just(0))
    def a_worker_stands_still(self, asked: bool, moments: int, fate: str, meanwhile: str, times: int) -> None:
        """After so many moments, or so many after it `asked` the PSP; others go on meanwhile."""
        row = self.saga.steps.next_row()
        if row is not None:
            self._meet(self.saga.begin_step(row, moments=None if asked else moments), fate, moments if asked else None)
            self.time_passes(meanwhile, times, timers=False)

    @rule(data=st.data(), fate=FATES_OF_ONE)
    def a_worker_goes_on(self, data: st.DataObject, fate: str) -> None:
        if self.saga.still:
            place = data.draw(st.integers(0, len(self.saga.still) - 1), label="place")
            self._wake(self.saga.still.pop(place), fate)

    def _wake(self, worker: Worker, fate: str) -> None:
        at_the_psp = isinstance(worker.at, Asked)
        self._meet(worker if at_the_psp else self.saga.go_on(worker, None, None), fate)

    def _meet(self, worker: Worker | None, fate: str, moments: int | None = None) -> None:
        """What becomes of a question to the PSP and of the worker that asks it."""
        saga = self.saga
        if worker is None:
            return
        asked = worker.at
        assert isinstance(asked, Asked)
        told: _Reply | NotProcessed | Unknown = UNHEARD
        match fate:
            case "heard":
                told = saga.psp.deliver(asked)
            case "arrives, unheard":
                saga.psp.deliver(asked)
            case "on its way":
                saga.under_way.append(asked)
            case "lost":
                pass
            case "unsent":
                told = UNSENT
            case "refused" if asked.method == "POST" and asked.path != "/v1/reversals":
                told = REFUSED
            case "refused":
                pass
            case "not sent yet":
                saga.still.append(worker)
                return
            case _:
                worker.running.close()
                return
        assert saga.go_on(worker, told, moments) is None, "a step asks the PSP once"

    @rule(data=st.data())
    def something_arrives_late(self, data: st.DataObject) -> None:
        if self.saga.under_way:
            place = data.draw(st.integers(0, len(self.saga.under_way) - 1), label="place")
            self.saga.psp.deliver(self.saga.under_way.pop(place))

    @rule()
    def an_operator_asks_about_the_cases(self) -> None:
        for attempt_id in sorted(self.saga.cases):
            self.saga.steps.redrive(attempt_id, self.saga.clock.at_ms)

    def teardown(self) -> None:
        if not hasattr(self, "saga"):
            return
        saga = self.saga
        for asked in saga.under_way:
            saga.psp.deliver(asked)
        saga.under_way.clear()
        self._all_goes_well()
        for worker in saga.still:
            self._wake(worker, "heard")
        saga.still.clear()
        self._all_goes_well()
        for _ in range(3):
            self.an_operator_asks_about_the_cases()
            self._all_goes_well()
        state = saga.log.state
        asked_of_a_person = {state.attempts[attempt].our_reference for attempt in saga.cases}
        faults = [
            fault
            for fault in faults_of_psp(saga.psp.log(), [state])
            if not any(reference in fault for reference in asked_of_a_person)
        ]
        assert faults == []
        for operation in state.operations.values():
            assert operation.ended_version is not None or set(operation.attempts) & saga.cases, operation
        assert all(late.reversed for late in state.late_successes.values())
        if not saga.cases:
            assert self._fees_of_the_books() == sum(line["fee"] for line in saga.psp.log())

    def _fees_of_the_books(self) -> int:
        lines = [line for recorded in self.saga.log.records for posted in post(recorded) for line in posted.lines]
        return sum(line.amount for line in lines if line.account.code == "psp_fee")

    def _all_goes_well(self) -> None:
        for _ in range(300):
            row = self.saga.steps.next_row()
            if row is None:
                return
            self._meet(self.saga.begin_step(row), "heard")
        raise AssertionError("the steps never end")


AnyOrder.TestCase.settings = settings(max_examples=300, stateful_step_count=12, deadline=None)
TestAnyOrder = AnyOrder.TestCase
