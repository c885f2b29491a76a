"""The saga without time, network or database: its own decisions over a log and a table of steps in memory.

Workers are coroutines that stop wherever they await something. Who goes on, what becomes of each message, and when, is for
the caller to say: a request may arrive long after it was given up, a worker may stand still for longer than its lease.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import Command, RequestAuthorization
from processors.psp.provider import NotProcessed, Unknown
from processors.psp.simulator import _Reply
from processors.saga.attempts import Attempts, LeaseLost
from processors.saga.decisions import steps_for
from processors.saga.steps import REVERSAL_UNDER_WAY, ClaimedStep, Finish, NewStep
from processors.saga.telling import Intent
from processors.saga.timers import Timers
from schemas.codec import decode, encode
from schemas.envelope import Actor, Envelope
from schemas.identifiers import derived_id
from schemas.records import RecordedEvent
from tests.aggregates.commands import SHARD
from tests.processors.saga.virtual_psp import Asked, VirtualClock, VirtualPsp

STREAM = derived_id(SHARD, "stream")
LEASE_MS = 20_000
SCALE = 1.0
TIMERS = {"expiry", "availability"}


class Moment(msgspec.Struct, frozen=True):
    """Before or after a worker reads or tells the log, looks at its lease or ends its step: it may stand still here."""

    def __await__(self) -> Generator["Moment", Any, Any]:
        return (yield self)


class VirtualLog:
    """One stream; what it learns becomes steps at once."""

    def __init__(self, clock: VirtualClock, schedule: Callable[[NewStep], None]) -> None:
        self._clock = clock
        self._schedule = schedule
        self._keys: set[UUID] = set()
        self.records: tuple[RecordedEvent, ...] = ()
        self.state: PaymentIntent = payment_intent.initial()

    async def read(self, _step: ClaimedStep) -> Intent:
        await Moment()
        intent = Intent(self.state, self.records)
        await Moment()
        return intent

    async def tell(self, step: ClaimedStep, _intent: Intent, command: Command, *, key: UUID, **_: Any) -> Intent:
        await Moment()
        if key not in self._keys:
            self.take(command, step.operation_id, key)
        intent = Intent(self.state, self.records)
        await Moment()
        return intent

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
        await Moment()
        row = self.row_of(step)
        held = row.epoch == step.epoch and row.result is None and row.ready_at > now_ms
        await Moment()
        return held

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
    """A step under way: it waits for the PSP, or stands still at a moment."""

    step: ClaimedStep
    running: Coroutine[Any, Any, None]
    at: Asked | Moment


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
        self.still: list[Worker] = []
        self.under_way: list[Asked] = []
        asked: Any = getattr(begin, "authorize", None)
        assert isinstance(asked, RequestAuthorization)
        self.log.take(begin, asked.operation_id)

    def begin_step(self, row: Row, *, moments: int | None = None) -> Worker | None:
        """A worker claims a step that is ready; see `go_on`."""
        self.clock.at_ms = max(self.clock.at_ms, row.ready_at)
        step = self.steps.claim(row, self.clock.at_ms)
        return self._run(step, self._take(step), None, moments)

    def go_on(self, worker: Worker, told: _Reply | NotProcessed | Unknown | None, moments: int | None) -> Worker | None:
        """A worker goes on, having heard what came of its question, until it asks the PSP: then it is returned.

        Where it passes more than so many `moments` first, it stands still at the next.
        """
        return self._run(worker.step, worker.running, told, moments)

    async def _take(self, step: ClaimedStep) -> None:
        match step.kind:
            case "expiry":
                finish = await self._timers.expire(step)
            case "availability":
                finish = await self._timers.make_available(step)
            case stage:
                finish = await self._attempts.take(step, stage)
        await Moment()
        self.steps.finish(finish)

    def _run(
        self, step: ClaimedStep, running: Coroutine[Any, Any, None], told: Any, moments: int | None
    ) -> Worker | None:
        try:
            at = running.send(told)
            while isinstance(at, Moment):
                if moments == 0:
                    self.still.append(Worker(step, running, at))
                    return None
                moments = None if moments is None else moments - 1
                at = running.send(None)
        except (StopIteration, LeaseLost):
            return None
        except Exception:  # noqa: BLE001 - what a step may fail with is tried again
            row = self.steps.row_of(step)
            if row.epoch == step.epoch and row.result is None:
                row.failures, row.ready_at = row.failures + 1, self.clock.at_ms + 1_000
            return None
        return Worker(step, running, at)

    @property
    def cases(self) -> set[UUID]:
        return {case.attempt_id for case in self.log.state.open_cases.values()}
