"""The payment saga as one process: the log is consumed into steps, workers take them, PSPs are asked."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import asyncpg
import msgspec

from event_store import EventStore, StoreOptions
from processors.log_consumer import HaltedShards, LogConsumer, LogConsumerHealth, LogConsumerOptions
from processors.patience import patiently
from processors.psp.observed import ObservedPsp
from processors.psp.provider import PaymentServiceProvider
from processors.saga.attempts import Attempts
from processors.saga.connections import open_pool
from processors.saga.scheduler import PROJECTION, SagaScheduler
from processors.saga.steps import StepTable
from processors.saga.telling import Log
from processors.saga.timers import Timers
from processors.saga.workers import WorkerOptions, Workers
from schemas.clock import Clock, IdFactory

_LOOKS_WITHIN_MS: Final = 10_000


class SagaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one saga process.

    `holder` names the process in leases. `concurrency` steps are under way at a time, and as many connections are
    kept to a PSP. `delay_scale` multiplies every delay: retries, inquiries, expiry, availability, back-off. A lease
    lasts `lease_margin_s` seconds longer than `psp_deadline_s`, the longest that any of the PSPs may take for a call:
    what a killed process had in hand waits as long.
    """

    store: StoreOptions
    consumer: LogConsumerOptions
    psp_deadline_s: float
    holder: str
    concurrency: int = 64
    delay_scale: float = 1.0
    lease_margin_s: float = 10.0

    def workers(self) -> WorkerOptions:
        """A lease is longer than any PSP's deadline, so that it ends while its worker calls only by accident."""
        return WorkerOptions(
            holder=self.holder,
            concurrency=self.concurrency,
            lease_s=self.psp_deadline_s + self.lease_margin_s,
            delay_scale=self.delay_scale,
        )


class SagaHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: consuming the log, no shard halted, and due steps were looked for within the last 10 s.

    `running` steps are under way now; `failures` counts the failed ones since the start.
    """

    ready: bool
    consumer: LogConsumerHealth | None
    running: int
    failures: int


class Machinery(msgspec.Struct, frozen=True):
    """The saga without its consumer: a scheduler to feed and workers to run."""

    scheduler: SagaScheduler
    workers: Workers


class PaymentSaga:
    """One saga process. Several may run: shards are shared out by Kafka, steps by their leases.

    `providers` are the PSPs by the names that the routing table gives them; they are closed when `run` ends.
    """

    def __init__(
        self, options: SagaOptions, providers: Mapping[str, PaymentServiceProvider], *, clock: Clock, ids: IdFactory
    ) -> None:
        self._options = options
        self._providers = providers
        self._clock = clock
        self._ids = ids
        self._workers: Workers | None = None
        self._consumer: LogConsumer | None = None

    def health(self) -> SagaHealth:
        """What it does now."""
        workers = self._workers
        consumer = None if self._consumer is None else self._consumer.health()
        looked_at = None if workers is None else workers.looked_at_ms
        at_work = looked_at is not None and self._clock.now_ms() - looked_at < _LOOKS_WITHIN_MS
        return SagaHealth(
            ready=at_work and consumer is not None and consumer.ready,
            consumer=consumer,
            running=0 if workers is None else workers.running,
            failures=0 if workers is None else workers.steps_failed,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; steps under way are given their time to end.

        Raises:
            ShardUnavailable: PostgreSQL could not be reached at the start.
            TopicMismatch, Stalled, ConsumerFailed: the process has to be started anew.
        """
        pool = await patiently(lambda: open_pool(self._options.store.dsn), stop, "PostgreSQL")
        if pool is None:
            return
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(pool.close)
            store = await EventStore.open(self._options.store)
            stack.push_async_callback(store.close)
            for provider in self._providers.values():
                stack.push_async_callback(provider.close)
            machinery = assemble(
                pool=pool,
                store=store,
                providers=self._providers,
                clock=self._clock,
                ids=self._ids,
                options=self._options.workers(),
            )
            self._workers = machinery.workers
            self._consumer = LogConsumer(
                self._options.consumer, machinery.scheduler, HaltedShards(pool, PROJECTION, self._clock)
            )
            await _together(stop, self._consumer, machinery.workers)


async def _together(stop: asyncio.Event, consumer: LogConsumer, workers: Workers) -> None:
    """Run both until `stop`; when one fails the other ends too, in order."""
    ending = asyncio.Event()

    async def follow() -> None:
        await stop.wait()
        ending.set()

    async def part(run: LogConsumer | Workers) -> None:
        try:
            await run.run(ending)
        finally:
            ending.set()

    following = asyncio.create_task(follow())
    try:
        results = await asyncio.gather(part(consumer), part(workers), return_exceptions=True)
    finally:
        following.cancel()
    for result in results:
        if isinstance(result, BaseException):
            raise result


def assemble(
    *,
    pool: asyncpg.Pool,
    store: EventStore,
    providers: Mapping[str, PaymentServiceProvider],
    clock: Clock,
    ids: IdFactory,
    options: WorkerOptions,
) -> Machinery:
    """Put the saga's parts together over open connections."""
    providers = {name: ObservedPsp(psp, name) for name, psp in providers.items()}
    table = StepTable(pool)
    log = Log(store, clock, ids)
    attempts = Attempts(log=log, steps=table, providers=providers, clock=clock, delay_scale=options.delay_scale)
    timers = Timers(log=log, providers=providers, clock=clock, delay_scale=options.delay_scale)
    workers = Workers(
        table,
        {
            "call": lambda step: attempts.take(step, "call"),
            "inquiry": lambda step: attempts.take(step, "inquiry"),
            "reversal": lambda step: attempts.take(step, "reversal"),
            "expiry": timers.expire,
            "availability": timers.make_available,
        },
        clock=clock,
        options=options,
    )
    scheduler = SagaScheduler(pool, clock=clock, delay_scale=options.delay_scale, scheduled=workers.wake)
    return Machinery(scheduler, workers)
