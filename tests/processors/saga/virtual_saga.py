"""The saga without time, network or database: its own decisions over a log and a table of steps in memory.

Workers are coroutines that stop wherever they ask the PSP. Who goes on, what becomes of each message, and when, is for the
caller to say: a request may arrive long after it was given up, a worker may stand still for longer than its lease.
"""

import sqlite3
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import Command, RequestAuthorization
from bootstrap.psp_simulator import orders
from bootstrap.psp_simulator.book import SCHEMA, Book
from bootstrap.psp_simulator.problems import ProblemError
from bootstrap.psp_simulator.processing import fall_due, process
from bootstrap.psp_simulator.replies import Reply, of_operation
from bootstrap.psp_simulator.reversals import reverse
from processors.psp.provider import NotProcessed, Unknown
from processors.psp.simulator import SimulatorPsp, _Reply
from processors.saga.attempts import Attempts, LeaseLost
from processors.saga.decisions import steps_for
from processors.saga.steps import REVERSAL_UNDER_WAY, ClaimedStep, Finish, NewStep
from processors.saga.telling import Intent
from processors.saga.timers import Timers
from schemas.codec import decode, encode
from schemas.envelope import Actor, Envelope
from schemas.identifiers import derived_id
from schemas.records import RecordedEvent
from tests.aggregates.commands import SHARD, T0

STREAM = derived_id(SHARD, "stream")
LEASE_MS = 20_000
SCALE = 1.0
TIMERS = {"expiry", "availability"}


class VirtualClock:
    def __init__(self) -> None:
        self.at_ms = T0

    def now_ms(self) -> int:
        return self.at_ms


class Asked(msgspec.Struct, frozen=True):
    """A message to the PSP, at which a worker stops; it goes on with what it is told came of it."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    key: str | None

    def __await__(self) -> Generator["Asked", Any, Any]:
        return (yield self)


class VirtualPsp(SimulatorPsp):
    """The simulator's adapter over its own books, in this process; nothing arrives that is not `deliver`ed."""

    def __init__(self, clock: VirtualClock) -> None:  # no connection is opened
        self._clock = clock
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(SCHEMA)
        self._book = Book(connection)
        self._kept: dict[str, _Reply] = {}

    async def _call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> _Reply | NotProcessed | Unknown:
        reply: _Reply | NotProcessed | Unknown = await Asked(method, path, body, key)
        return reply

    def deliver(self, asked: Asked) -> _Reply:
        """The PSP hears a message, and this is what it answers."""
        self._book.now_ms = self._clock.at_ms
        fall_due(self._book)
        if asked.key in self._kept:
            return self._kept[asked.key]
        try:
            reply = self._answer(asked)
        except ProblemError as problem:
            return _Reply(problem.status, problem.body(), problem.headers.get("Retry-After"))
        answer = _Reply(reply.status, reply.body, None)
        if asked.key is not None:
            self._kept[asked.key] = answer
        return answer

    def _answer(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            operation = self._book.by_reference(asked.path.partition("reference=")[2])
            if operation is None:
                raise ProblemError(404, "not_found", "unknown")
            return msgspec.structs.replace(of_operation(operation), status=200)
        assert asked.key is not None
        if asked.path == "/v1/reversals":
            return reverse(self._book, orders.reference_alone(asked.body), asked.key)
        _, _, payment, kind = (*asked.path.split("/")[1:], "", "")[:4]
        match kind:
            case "captures":
                order = orders.capture_order(payment, asked.body)
            case "refunds":
                order = orders.refund_order(payment, asked.body)
            case "voids":
                order = orders.void_order(payment, asked.body)
            case _:
                order = orders.payment_order(asked.body)
        reply = process(self._book, order, asked.key, seen_before=False, waited=True)
        assert isinstance(reply, Reply)
        return reply

    def log(self) -> list[dict[str, Any]]:
        self._book.now_ms = self._clock.at_ms
        fall_due(self._book)
        return [msgspec.to_builtins(line) for line in self._book.read_log(0, 100_000)]


class VirtualLog:
    """One stream; what it learns becomes steps at once."""

    def __init__(self, clock: VirtualClock, schedule: Callable[[NewStep], None]) -> None:
        self._clock = clock
        self._schedule = schedule
        self._keys: set[UUID] = set()
        self.records: tuple[RecordedEvent, ...] = ()
        self.state: PaymentIntent = payment_intent.initial()

    async def read(self, _step: ClaimedStep) -> Intent:
        return Intent(self.state, self.records)

    async def tell(self, step: ClaimedStep, _intent: Intent, command: Command, *, key: UUID, **_: Any) -> Intent:
        if key not in self._keys:
            self.take(command, step.operation_id, key)
        return Intent(self.state, self.records)

    def take(self, command: Command, operation_id: UUID, key: UUID | None = None) -> None:
        for event in payment_intent.decide(command, self.state):
            number = len(self.records) + 1
            recorded = RecordedEvent(
                event=decode(encode(event)),
                envelope=Envelope(
                    effective_at=self._clock.at_ms,
                    merchant_id=derived_id(SHARD, "merchant"),
                    livemode=False,
                    currency="EUR",
                    actor=Actor(type="saga", id="virtual"),
                    source="http",
                    correlation_id=operation_id,
                    causation_id=None,
                    traceparent=None,
                ),
                event_id=derived_id(SHARD, "event", number),
                stream_id=STREAM,
                version=number,
                shard=SHARD,
                position=number,
                recorded_at=self._clock.at_ms,
            )
            self.state = payment_intent.evolve(self.state, recorded)
            self.records = (*self.records, recorded)
            if key is not None:
                self._keys.add(key)
            for step in steps_for(recorded, delay_scale=SCALE):
                self._schedule(step)


class Row(msgspec.Struct):
    new: NewStep
    ready_at: int
    in_doubt: bool
    epoch: int = 0
    failures: int = 0
    result: str | None = None


class VirtualSteps:
    """The table of steps by its documented rules."""

    def __init__(self) -> None:
        self.rows: dict[tuple[UUID, str, int], Row] = {}

    def schedule(self, step: NewStep) -> None:
        key = (step.subject, step.kind, step.try_no)
        self.rows.setdefault(key, Row(step, ready_at=step.due_at, in_doubt=step.in_doubt))

    def next_row(self, *, timers: bool = False) -> Row | None:
        """The unfinished step that is ready first; `timers` are among them only where asked for."""
        waiting = [row for row in self.rows.values() if row.result is None and (timers or row.new.kind not in TIMERS)]
        return min(waiting, key=lambda row: row.ready_at, default=None)

    def claim(self, row: Row, now_ms: int) -> ClaimedStep:
        row.in_doubt = row.in_doubt or (row.epoch > 0 and row.new.kind in {"call", "inquiry", "reversal"})
        row.epoch, row.ready_at = row.epoch + 1, now_ms + LEASE_MS
        fields = {name: getattr(row.new, name) for name in NewStep.__struct_fields__ if name != "due_at"}
        return ClaimedStep(**{**fields, "in_doubt": row.in_doubt}, epoch=row.epoch, failures=row.failures)

    def row_of(self, step: ClaimedStep) -> Row:
        return self.rows[step.subject, step.kind, step.try_no]

    async def is_held(self, step: ClaimedStep, *, now_ms: int) -> bool:
        row = self.row_of(step)
        return row.epoch == step.epoch and row.result is None and row.ready_at > now_ms

    def finish(self, finish: Finish) -> None:
        row = self.row_of(finish.step)
        if row.epoch == finish.step.epoch and row.result is None:
            row.result = finish.result
            if finish.following is not None:
                self.schedule(finish.following)

    def redrive(self, attempt_id: UUID, now_ms: int) -> None:
        """Ask about a case's attempt again, as `guilder dead-letters redrive` does."""
        rows = [row for row in self.rows.values() if row.new.subject == attempt_id]
        last = max(rows, key=lambda row: row.new.try_no)
        if last.result is None:
            return
        kind: Any = "reversal" if last.result == REVERSAL_UNDER_WAY else "inquiry"
        kind = kind if last.new.target is None else "call"
        self.schedule(
            msgspec.structs.replace(
                last.new, kind=kind, try_no=last.new.try_no + 1, round_no=1, in_doubt=True, due_at=now_ms
            )
        )


class Worker(msgspec.Struct):
    """A step under way that waits for the PSP."""

    step: ClaimedStep
    running: Coroutine[Any, Any, Finish]
    asked: Asked


class VirtualSaga:
    """All of it; the caller decides what happens next."""

    def __init__(self, begin: Command) -> None:
        self.clock = VirtualClock()
        self.psp = VirtualPsp(self.clock)
        self.steps = VirtualSteps()
        self.log = VirtualLog(self.clock, self.steps.schedule)
        parts: Any = {
            "log": self.log,
            "providers": {"simulator": self.psp},
            "clock": self.clock,
            "delay_scale": SCALE,
        }
        self._attempts = Attempts(steps=self.steps, **parts)  # type: ignore[arg-type]
        self._timers = Timers(**parts)
        self.workers: list[Worker] = []
        self.under_way: list[Asked] = []
        asked: Any = getattr(begin, "authorize", None)
        assert isinstance(asked, RequestAuthorization)
        self.log.take(begin, asked.operation_id)

    def begin_step(self, row: Row) -> None:
        """A worker claims a step that is ready, and goes on until it asks the PSP."""
        self.clock.at_ms = max(self.clock.at_ms, row.ready_at)
        step = self.steps.claim(row, self.clock.at_ms)
        match step.kind:
            case "expiry":
                running = self._timers.expire(step)
            case "availability":
                running = self._timers.make_available(step)
            case stage:
                running = self._attempts.take(step, stage)
        self._go_on(step, running, None)

    def answer(self, worker: Worker, told: _Reply | NotProcessed | Unknown) -> None:
        """A worker hears what came of its question, and goes on."""
        self.workers.remove(worker)
        self._go_on(worker.step, worker.running, told)

    def kill(self, worker: Worker) -> None:
        """A worker is gone; its lease brings the step back."""
        self.workers.remove(worker)
        worker.running.close()

    def _go_on(self, step: ClaimedStep, running: Coroutine[Any, Any, Finish], told: Any) -> None:
        try:
            asked: Any = running.send(told)
        except StopIteration as ended:
            self.steps.finish(ended.value)
        except LeaseLost:
            pass
        except Exception:  # noqa: BLE001 - what a step may fail with is tried again
            row = self.steps.row_of(step)
            if row.epoch == step.epoch and row.result is None:
                row.failures, row.ready_at = row.failures + 1, self.clock.at_ms + 1_000
        else:
            self.workers.append(Worker(step, running, asked))

    @property
    def cases(self) -> set[UUID]:
        return {case.attempt_id for case in self.log.state.open_cases.values()}
