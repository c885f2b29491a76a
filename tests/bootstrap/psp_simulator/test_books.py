"""Whatever is done in whatever order, the log alone tells what every payment's money has become."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.psp_simulator.book import SCHEMA, Book, LogLine, Operation
from bootstrap.psp_simulator.clock import DAY_MS
from bootstrap.psp_simulator.money import HOLD_MS, fee_of_capture
from bootstrap.psp_simulator.orders import Order
from bootstrap.psp_simulator.problems import ProblemError
from bootstrap.psp_simulator.processing import fall_due, process
from bootstrap.psp_simulator.reversals import reverse
from bootstrap.psp_simulator.scenarios import Kind, Script

PAYMENT_SCENARIOS = st.sampled_from(["ok", "decline", "pending_ok", "pending_decline"])
FOLLOW_UP_SCENARIOS = st.sampled_from(["ok", "ok", "decline", "pending_ok", "pending_decline"])
AMOUNTS = st.integers(1, 120)


class Pay(msgspec.Struct, frozen=True):
    amount: int
    sale: bool
    script: Script


class FollowUp(msgspec.Struct, frozen=True):
    kind: Kind
    payment: int
    amount: int
    final: bool


class Reverse(msgspec.Struct, frozen=True):
    target: int


class Wait(msgspec.Struct, frozen=True):
    duration_ms: int


STEPS = st.lists(
    st.one_of(
        st.builds(
            Pay,
            AMOUNTS,
            st.booleans(),
            st.builds(Script, PAYMENT_SCENARIOS, FOLLOW_UP_SCENARIOS, FOLLOW_UP_SCENARIOS, FOLLOW_UP_SCENARIOS),
        ),
        st.builds(FollowUp, st.sampled_from(["capture", "refund", "void"]), st.integers(0, 3), AMOUNTS, st.booleans()),
        st.builds(FollowUp, st.sampled_from(["capture", "refund"]), st.integers(0, 3), AMOUNTS, st.booleans()),
        st.builds(Reverse, st.integers(0, 12)),
        st.builds(Wait, st.sampled_from([1, 5_000, 10_000, DAY_MS, HOLD_MS])),
    ),
    max_size=40,
)


class Run:
    """Does the steps on a book in memory; refused ones are part of the game."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(SCHEMA)
        self.book = Book(self.connection)
        self.references: list[str] = []
        self.payments: list[str] = []

    def step(self, step: Pay | FollowUp | Reverse | Wait) -> None:
        fall_due(self.book)
        self.connection.execute("SAVEPOINT step")
        try:
            self._do(step)
        except ProblemError:
            self.connection.execute("ROLLBACK TO step")
        self.connection.execute("RELEASE step")

    def _do(self, step: Pay | FollowUp | Reverse | Wait) -> None:
        reference = f"att-{len(self.references)}"
        match step:
            case Pay(amount, sale, script):
                self.references.append(reference)
                order = Order(
                    kind="payment", reference=reference, amount=amount, currency="EUR", sale=sale, script=script
                )
                process(self.book, order, reference, seen_before=False, waited=False)
                self.payments.append(self.operation(reference).id)
            case FollowUp(kind, payment, amount, final):
                if not self.payments:
                    return
                self.references.append(reference)
                order = Order(
                    kind=kind,
                    payment_id=self.payments[payment % len(self.payments)],
                    reference=reference,
                    amount=0 if kind == "void" else amount,
                    final=final,
                )
                process(self.book, order, reference, seen_before=False, waited=False)
            case Reverse(target):
                if self.references:
                    reverse(self.book, self.references[target % len(self.references)], f"reverse-{reference}")
            case Wait(duration_ms):
                self.book.now_ms += duration_ms

    def operation(self, reference: str) -> Operation:
        operation = self.book.by_reference(reference)
        assert operation is not None
        return operation

    def operations(self) -> Iterator[Operation]:
        for reference in self.references:
            operation = self.book.by_reference(reference)
            if operation is not None:
                yield operation


def told_by(log: list[LogLine], payment_of: dict[str, str]) -> dict[str, tuple[int, int, int]]:
    """Captured, refunded and fees of each payment, from the log alone."""
    captured: dict[str, int] = defaultdict(int)
    refunded: dict[str, int] = defaultdict(int)
    fees: dict[str, int] = defaultdict(int)
    last: dict[str, LogLine] = {}
    for line in log:
        payment = payment_of.get(line.reference, "")
        fees[payment] += line.fee
        before = last.get(line.reference)
        match line.operation, line.result:
            case (("capture" | "payment"), "captured"):
                captured[payment] += line.amount
            case "refund", "refunded":
                refunded[payment] += line.amount
            case "reversal", "refunded" if before is not None and before.operation == "capture":
                captured[payment] -= line.amount
            case "reversal", "refunded":
                refunded[payment] += line.amount
            case "reversal", "voided" if before is not None and before.result == "refunded":
                refunded[payment] -= line.amount
            case _:
                pass
        last[line.reference] = line
    return {payment: (captured[payment], refunded[payment], fees[payment]) for payment in set(payment_of.values())}


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_the_log_alone_tells_what_became_of_the_money(steps: list[Pay | FollowUp | Reverse | Wait]) -> None:
    run = Run()
    try:
        for step in steps:
            run.step(step)
        run.step(Wait(2 * HOLD_MS))
        run.step(Wait(1))
        log = run.book.read_log(0, 10_000)
        operations = list(run.operations())
        payment_of = {operation.reference: operation.payment_id for operation in operations}
        told = told_by(log, payment_of)
        for operation in operations:
            assert operation.status != "pending"
            if operation.kind == "payment":
                assert told[operation.id] == (operation.captured, operation.refunded, kept_fees(operation, operations))
                assert operation.capture_pending == operation.release_pending == operation.refund_pending == 0
                assert operation.status != "authorized" or not operation.capturable, "no hold outlives its seven days"
        assert [line.seq for line in log] == list(range(1, len(log) + 1))
        assert [line.at for line in log] == sorted(line.at for line in log)
        last_lines = {line.reference: line for line in log}
        for operation in operations:
            line = last_lines[operation.reference]
            assert line.result == operation.status or line.operation == "reversal" or line.result == "expired"
    finally:
        run.connection.close()


def kept_fees(payment: Operation, operations: list[Operation]) -> int:
    captures = [each for each in operations if each.payment_id == payment.id and each.kind != "refund"]
    return sum(fee_of_capture(each.amount) for each in captures if each.status == "captured")


@pytest.mark.parametrize(("amount", "fee"), [(45, 0), (46, 1), (10_000, 110), (999_999_999_999, 11_000_000_000)])
def test_the_fee_is_rounded_half_up(amount: int, fee: int) -> None:
    assert fee_of_capture(amount) == fee
