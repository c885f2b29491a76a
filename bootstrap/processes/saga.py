"""The payment saga's process: carries payments through at the PSPs."""

import os
from typing import Final

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.local_stack.roster import SAGA
from bootstrap.processes import HealthReport, health_details, serve
from bootstrap.processes.connections import dsn_of, store_options
from bootstrap.processes.consumers import consumer_options
from bootstrap.settings import SettingMissing, Settings
from bootstrap.telemetry.backlog_gauges import BacklogGauges
from bootstrap.telemetry.exposition import Exposition
from bootstrap.telemetry.window_shares import WindowShare, total
from processors.psp.observed import CALL_SECONDS, ERRORS
from processors.psp.simulator import SimulatorOptions, SimulatorPsp
from processors.saga.payment_saga import PaymentSaga, SagaOptions

# Twice in a payment's way; see `processors/log_consumer/paced_fetches.py`.
GATHER_S: Final = 0.025


async def run(settings: Settings) -> None:
    """Run the saga until asked to end.

    Raises:
        SettingMissing: the simulator's key is not set.
    """
    if settings.psp_simulator.key is None:
        raise SettingMissing("GUILDER_PSP_SIMULATOR__KEY is not set")
    simulator = SimulatorOptions(url=settings.psp_simulator.url, key=settings.psp_simulator.key)
    saga = PaymentSaga(
        SagaOptions(
            store=store_options(settings),
            consumer=consumer_options(settings, "guilder-saga", gather_s=GATHER_S),
            psp_deadline_s=simulator.deadline_s,
            holder=f"saga-{os.getpid()}",
            delay_scale=settings.delay_scale,
        ),
        {"simulator": SimulatorPsp(simulator)},
        clock=SYSTEM_CLOCK,
        ids=SYSTEM_IDS,
    )

    async def health() -> HealthReport:
        return health_details(saga.health())

    gauges = BacklogGauges(dsn_of(settings), "payment_saga")
    await serve(
        SAGA.name,
        settings.ops.port or SAGA.default_port,
        saga.run,
        health,
        ops_host=settings.ops.host,
        exposition=Exposition([psp_error_rate()], [gauges.refresh], gauges.registry),
        settings=settings,
    )


def psp_error_rate() -> WindowShare:
    """Which share of the calls of PSPs in the last minutes brought no word of theirs."""
    return WindowShare(
        "psp_error_rate",
        "Share of calls of PSPs, over the last 5 minutes, that were not processed or whose outcome is unknown.",
        lambda: (sum(total(CALL_SECONDS, result=result) for result in ERRORS), total(CALL_SECONDS)),
    )
