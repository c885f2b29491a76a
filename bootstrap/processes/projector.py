"""The projector's process: keeps the read models current."""

import asyncio
from typing import Final

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.local_stack.roster import PROJECTOR
from bootstrap.processes import HealthReport, health_details, serve
from bootstrap.processes.connections import dsn_of
from bootstrap.processes.consumers import consumer_options
from bootstrap.settings import Settings
from bootstrap.telemetry.backlog_gauges import BacklogGauges
from bootstrap.telemetry.exposition import Exposition
from bootstrap.telemetry.window_shares import WindowShare, total
from processors.log_consumer.halted_shards import HaltedShards
from processors.log_consumer.log_consumer import LogConsumer
from processors.patience import patiently
from processors.projector.payment_figures import OUTCOMES
from processors.projector.projector import NAME, Projector, open_pool
from projections import PROJECTIONS

GROUP: Final = "guilder-projector"
# No payment waits for the read models, so they may gather for longer than the saga.
GATHER_S: Final = 0.1


async def run(settings: Settings) -> None:
    """Project until asked to end."""
    consumers: list[LogConsumer] = []

    async def work(stop: asyncio.Event) -> None:
        pool = await patiently(lambda: open_pool(dsn_of(settings)), stop, "PostgreSQL")
        if pool is None:
            return
        try:
            projector, halted = Projector(pool, PROJECTIONS), HaltedShards(pool, NAME, SYSTEM_CLOCK)
            consumers.append(LogConsumer(consumer_options(settings, GROUP, gather_s=GATHER_S), projector, halted))
            await consumers[-1].run(stop)
        finally:
            await pool.close()

    async def health() -> HealthReport:
        return health_details(consumers[-1].health()) if consumers else HealthReport(ready=False)

    gauges = BacklogGauges(dsn_of(settings), "projector")
    await serve(
        PROJECTOR.name,
        settings.ops.port or PROJECTOR.default_port,
        work,
        health,
        ops_host=settings.ops.host,
        exposition=Exposition([payment_failure_rate()], [gauges.refresh], gauges.registry),
        settings=settings,
    )


def payment_failure_rate() -> WindowShare:
    """Which share of the authorizations and captures that ended in the last minutes was declined or failed."""
    return WindowShare(
        "payment_failure_rate",
        "Share of authorizations and captures, over the last 5 minutes, that were declined or failed.",
        lambda: (total(OUTCOMES, outcome="failed"), total(OUTCOMES)),
    )
