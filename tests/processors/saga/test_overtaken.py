"""Workers that stand still while others go on with their step, and then say what they know: it may not be true any more."""

from typing import Any

import pytest
from msgspec.structs import replace

from aggregates.payment_intent import Attempt
from aggregates.payment_intent.commands import Command
from processors.psp.provider import NotProcessed, Unknown
from processors.psp.simulator import _Reply
from schemas.events import LateSuccessReceived, LateSuccessReversed, ManualCaseOpened, PspOutcomeUnknown
from tests.aggregates import commands
from tests.oracles.psp import faults_of_psp
from tests.processors.saga.virtual_psp import Asked
from tests.processors.saga.virtual_saga import VirtualSaga, Worker

UNHEARD = Unknown(cause="timeout")
UNSENT = NotProcessed(psp_code="unreachable", http_status=None, retryable=True)
CALLS, WHOLE_LADDER = 6, 15
BEFORE_TELLING = 0
OPERATIONS = ["hold", "sale", "capture", "refund", "void"]


class Payment:
    """A payment whose newest operation is to be attempted; whatever came before went well."""

    def __init__(self, operation: str) -> None:
        automatic = operation in {"sale", "refund"}
        create = commands.create(10_000, capture_method="automatic" if automatic else "manual", authorize="authorize")
        self.saga = VirtualSaga(create)
        follow_up: dict[str, Command] = {
            "capture": commands.request_capture(4_000, "follow-up"),
            "refund": commands.request_refund(4_000, "follow-up"),
            "void": commands.request_cancellation("follow-up"),
        }
        if operation in follow_up:
            self.goes_well()
            self.saga.log.take(follow_up[operation], commands.named("follow-up"))

    @property
    def attempt(self) -> Attempt:
        """The newest that is not the undoing of another."""
        return [each for each in self.saga.log.state.attempts.values() if each.operation != "reversal"][-1]

    def begin(self) -> Worker:
        row = self.saga.steps.next_row()
        assert row is not None
        worker = self.saga.begin_step(row)
        assert worker is not None
        return worker

    def deliver(self, worker: Worker) -> _Reply:
        assert isinstance(worker.at, Asked)
        return self.saga.psp.deliver(worker.at)

    def arrives_unheard(self, times: int) -> None:
        for _ in range(times):
            worker = self.begin()
            self.deliver(worker)
            self.saga.go_on(worker, UNHEARD, None)

    def unsent(self, times: int) -> None:
        for _ in range(times):
            self.saga.go_on(self.begin(), UNSENT, None)

    def goes_well(self) -> None:
        while (row := self.saga.steps.next_row()) is not None:
            worker = self.saga.begin_step(row)
            if worker is not None:
                self.saga.go_on(worker, self.deliver(worker), None)

    def goes_on(self) -> None:
        """The worker that stood still."""
        assert self.saga.go_on(self.saga.still.pop(), None, None) is None

    def redrive(self) -> None:
        self.saga.steps.redrive(self.attempt.id, self.saga.clock.at_ms)

    def events(self, kind: Any) -> list[Any]:
        return [recorded.event for recorded in self.saga.log.records if isinstance(recorded.event, kind)]

    def faults(self) -> list[str]:
        return faults_of_psp(self.saga.psp.log(), [self.saga.log.state])


@pytest.mark.parametrize("redriven", [False, True], ids=["case open", "redrive under way"])
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "with the answer in hand"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_yes_that_was_asked_for_before_the_reversal_is_not_believed(
    operation: str, sent: bool, redriven: bool
) -> None:
    payment = Payment(operation)
    standing = payment.begin()
    reply = payment.deliver(standing) if sent else None
    payment.arrives_unheard(WHOLE_LADDER)
    assert payment.saga.cases == {payment.attempt.id}
    if redriven:
        payment.redrive()
        payment.arrives_unheard(1)

    payment.saga.go_on(standing, payment.deliver(standing) if reply is None else reply, None)

    assert payment.attempt.open
    assert payment.saga.cases == {payment.attempt.id}
    payment.redrive()
    payment.goes_well()
    assert payment.attempt.status == "failed"
    assert payment.saga.cases == set()
    assert payment.faults() == []


def test_so_it_is_with_the_answer_to_an_inquiry() -> None:
    payment = Payment("hold")
    payment.arrives_unheard(CALLS)
    standing = payment.begin()
    reply = payment.deliver(standing)
    payment.arrives_unheard(WHOLE_LADDER - CALLS)

    payment.saga.go_on(standing, reply, None)

    assert payment.attempt.open
    assert payment.saga.cases == {payment.attempt.id}


def test_an_inquiry_of_an_operator_that_was_overtaken_by_another_reversal_is_not_believed() -> None:
    payment = Payment("hold")
    for _ in range(CALLS + 3):  # no reversal leaves, so that the case is asked about by inquiries
        payment.arrives_unheard(1)
    refuse = NotProcessed(psp_code="refused", http_status=422, retryable=False)
    payment.saga.go_on(payment.begin(), refuse, None)
    payment.redrive()
    standing = payment.begin()
    reply = payment.deliver(standing)
    payment.arrives_unheard(3)
    assert payment.attempt.next_step == "reversal"
    payment.arrives_unheard(1)

    payment.saga.go_on(standing, reply, None)

    assert payment.attempt.open
    payment.goes_well()
    assert payment.attempt.status == "failed"
    assert payment.faults() == []


def test_an_inquiry_that_was_asked_after_everything_is_believed() -> None:
    payment = Payment("hold")
    payment.arrives_unheard(CALLS + 3)
    refuse = NotProcessed(psp_code="refused", http_status=422, retryable=False)
    payment.saga.go_on(payment.begin(), refuse, None)
    assert payment.saga.cases == {payment.attempt.id}

    payment.redrive()
    payment.goes_well()

    assert payment.attempt.status == "succeeded"
    assert payment.saga.cases == set()
    assert payment.faults() == []


def test_who_takes_over_the_last_inquiry_asks_once_more_instead_of_undoing() -> None:
    payment = Payment("hold")
    payment.arrives_unheard(CALLS + 2)
    dying = payment.begin()
    payment.deliver(dying)
    payment.saga.go_on(dying, UNHEARD, 4)  # told, and then nothing: its end is never written
    payment.saga.still.clear()
    assert payment.attempt.next_step == "reversal"

    payment.goes_well()

    assert payment.attempt.status == "succeeded"
    assert payment.faults() == []


@pytest.mark.parametrize("others", [0, 1, WHOLE_LADDER - CALLS + 1], ids=["begin", "have asked", "have a case"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_that_nothing_was_sent_is_not_believed_once_another_may_have_sent_it(operation: str, others: int) -> None:
    payment = Payment(operation)
    payment.unsent(CALLS - 1)
    payment.saga.go_on(payment.begin(), UNSENT, BEFORE_TELLING)
    if others == 0:
        other = payment.begin()
        payment.deliver(other)
        payment.goes_on()
        payment.saga.go_on(other, UNHEARD, None)
    else:
        payment.arrives_unheard(others)
        payment.goes_on()

    assert payment.attempt.status == "unknown"
    assert payment.events(PspOutcomeUnknown)
    if payment.saga.cases:
        payment.redrive()
    payment.goes_well()
    assert not payment.attempt.open
    assert payment.saga.cases == set()
    assert payment.faults() == []


def test_that_nothing_was_sent_is_believed_where_it_is_told_first() -> None:
    payment = Payment("hold")
    payment.unsent(CALLS - 1)
    payment.saga.go_on(payment.begin(), UNSENT, BEFORE_TELLING)
    row = payment.saga.steps.next_row()
    assert row is not None
    payment.saga.begin_step(row, moments=1)  # another has read the log, and has not called yet
    first, other = payment.saga.still
    payment.saga.go_on(first, None, None)
    assert payment.saga.go_on(other, None, None) is None, "it does not ask the PSP any more"

    assert payment.attempt.status == "failed"
    assert payment.saga.psp.log() == []
    assert payment.events(PspOutcomeUnknown | ManualCaseOpened) == []


def test_a_charge_that_was_undone_before_it_came_late_leaves_no_fee_in_the_books() -> None:
    payment = Payment("sale")
    standing = payment.begin()
    reply = payment.deliver(standing)
    payment.arrives_unheard(CALLS + 3)
    payment.goes_well()
    assert payment.attempt.status == "failed"

    payment.saga.go_on(standing, reply, None)
    payment.goes_well()

    (received,), (undone,) = payment.events(LateSuccessReceived), payment.events(LateSuccessReversed)
    assert received.psp_fee.amount == 110
    assert undone.psp_fee == replace(received.psp_fee, amount=-110)
    assert sum(line["fee"] for line in payment.saga.psp.log()) == 0
