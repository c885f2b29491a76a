"""The payment saga as one process: the log is consumed into steps, workers take them, PSPs are asked."""

from collections.abc import Mapping

import asyncpg
import msgspec

from event_store import EventStore
from processors.psp.provider import PaymentServiceProvider
from processors.saga.attempts import Attempts
from processors.saga.scheduler import SagaScheduler
from processors.saga.steps import StepTable
from processors.saga.telling import Log
from processors.saga.timers import Timers
from processors.saga.workers import WorkerOptions, Workers
from schemas.clock import Clock, IdFactory

_POOL_CONNECTIONS = 6


class Machinery(msgspec.Struct, frozen=True):
    """The saga without its consumer: a scheduler to feed and workers to run."""

    scheduler: SagaScheduler
    workers: Workers


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
    scheduler = SagaScheduler(pool, delay_scale=options.delay_scale, scheduled=workers.wake)
    return Machinery(scheduler, workers)


async def open_pool(dsn: str) -> asyncpg.Pool:
    """A pool for the saga's own tables, in the service's role."""
    return await asyncpg.create_pool(
        dsn, min_size=1, max_size=_POOL_CONNECTIONS, server_settings={"role": "guilder_app"}
    )
