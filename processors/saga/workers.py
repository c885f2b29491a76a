"""Workers: claim what is due, run it, write its end; a step that fails keeps its error and delays nobody else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from event_store.tracing import TRACING, Attributes
from processors.patience import OUTAGES
from processors.saga.attempts import LeaseLost
from processors.saga.finishing import Finisher
from processors.saga.steps import ClaimedStep, Finish, Kind, StepTable
from schemas.clock import Clock
from schemas.errors import ShardUnavailable

_log = logging.getLogger(__name__)

StepRunner = Callable[[ClaimedStep], Awaitable[Finish]]

_FIRST_BACKOFF_MS: Final = 1_000
_LONGEST_BACKOFF_MS: Final = 60_000
_ERROR_CHARACTERS: Final = 500
_AWAY: Final = (*OUTAGES, ShardUnavailable)

# Whatever else comes of a step is worth a line: it is not how payments usually go.
_ROUTINE: Final = frozenset(
    ("approved", "declined", "available", "not_needed", "ended_before", "expired", "still_held")
)

STEPS: Final = Counter("guilder_saga_steps", "Steps that the saga has taken.", ["kind", "result"])


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`concurrency` steps at a time, each held for `lease_s` seconds: longer than a PSP's deadline and 10 s more.

    Due steps of others are looked for every `poll_s`; `delay_scale` multiplies the back-off of failures; at shutdown
    steps under way get `grace_s`.
    """

    holder: str
    concurrency: int = 32
    lease_s: float = 20.0
    poll_s: float = 0.5
    delay_scale: float = 1.0
    grace_s: float = 5.0


class Workers:
    """Runs steps until told to stop. Survives a PostgreSQL that is away: it looks again."""

    def __init__(
        self, table: StepTable, runners: Mapping[Kind, StepRunner], *, clock: Clock, options: WorkerOptions
    ) -> None:
        self._table = table
        self._runners = runners
        self._clock = clock
        self._options = options
        self._finisher = Finisher(table, clock)
        self._running: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()
        self.looked_at_ms: int | None = None
        self.steps_failed = 0

    @property
    def running(self) -> int:
        """How many steps are under way."""
        return len(self._running)

    def wake(self) -> None:
        """Look for due steps now."""
        self._look.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Claim and run until `stop` is set, then let what is under way end within the grace."""
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._look.set())
        try:
            while not stop.is_set():
                self._look.clear()
                wait_s = await self._claim()
                if wait_s:
                    await self._wait(wait_s)
        finally:
            stopping.cancel()
            await self._drain()

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._look.wait()
        except TimeoutError:
            pass

    async def _claim(self) -> float:
        """Claim as much as there is room for; how many seconds to wait before looking again unless woken, 0 for none."""
        room = self._options.concurrency - len(self._running)
        now_ms = self._clock.now_ms()
        if not room:
            self.looked_at_ms = now_ms
            return self._options.poll_s
        try:
            steps = await self._table.claim(
                now_ms=now_ms,
                limit=room,
                lease_until=now_ms + round(self._options.lease_s * 1000),
                holder=self._options.holder,
            )
            ready_at = await self._table.next_ready_at() if len(steps) < room else None
        except OUTAGES as error:
            _log.warning("no steps can be claimed, trying again in %s s: %r", self._options.poll_s, error)
            return self._options.poll_s
        self.looked_at_ms = now_ms
        for step in steps:
            task = asyncio.create_task(self._run(step))
            self._running.add(task)
            task.add_done_callback(self._ended)
        # What was due already and not given to us, another is claiming: asking again at once would not change that.
        if ready_at is None or ready_at <= now_ms:
            return self._options.poll_s
        return min(max((ready_at - self._clock.now_ms()) / 1000, 0.001), self._options.poll_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        full = len(self._running) >= self._options.concurrency
        self._running.discard(task)
        if full:
            self._look.set()

    async def _run(self, step: ClaimedStep) -> None:
        if not TRACING.on:
            await self._take(step)
            return
        attributes: Attributes = {"correlation_id": str(step.operation_id), "try": step.try_no, "shard": step.shard}
        with TRACING.hop(f"saga {step.kind}", step.traceparent, attributes, SpanKind.CONSUMER):
            await self._take(step)

    async def _take(self, step: ClaimedStep) -> None:
        try:
            finish = await self._runners[step.kind](step)
            ours = await self._finisher.finish(finish)
            STEPS.labels(step.kind, finish.result).inc()
            TRACING.note(result=finish.result)
            if finish.result not in _ROUTINE:
                _log.warning("%s %s of %s: %s", step.kind, step.try_no, step.subject, finish.result)
            if ours and finish.following is not None:
                self._look_at(finish.following.due_at)
        except LeaseLost as lost:
            _log.warning("lease lost: %s", lost)
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this step alone
            await self._fail(step, error)

    def _look_at(self, due_at: int) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(max((due_at - self._clock.now_ms()) / 1000, 0), self._look.set)

    async def _fail(self, step: ClaimedStep, error: Exception) -> None:
        self.steps_failed += 1
        STEPS.labels(step.kind, "failed").inc()
        if isinstance(error, _AWAY):
            _log.warning("%s %s of %s has to wait: %r", step.kind, step.try_no, step.subject, error)
        else:
            _log.error("%s %s of %s failed", step.kind, step.try_no, step.subject, exc_info=error)
        backoff_ms = min(_FIRST_BACKOFF_MS * 2 ** min(step.failures, 16), _LONGEST_BACKOFF_MS)
        ready_at = self._clock.now_ms() + round(backoff_ms * self._options.delay_scale)
        text = f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]
        try:
            await self._table.fail(step, error=text, ready_at=ready_at)
        except OUTAGES as outage:
            # The lease's end brings the step back without us.
            _log.warning("the error of %s %s of %s is not kept: %r", step.kind, step.try_no, step.subject, outage)

    async def _drain(self) -> None:
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self._options.grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._finisher.close()
