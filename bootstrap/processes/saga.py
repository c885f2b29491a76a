"""The payment saga's process: carries payments through at the PSPs."""

import os

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.local_stack.roster import SAGA
from bootstrap.processes import HealthReport, health_details, serve
from bootstrap.processes.connections import store_options
from bootstrap.processes.consumers import consumer_options
from bootstrap.settings import SettingMissing, Settings
from processors.psp.simulator import SimulatorOptions, SimulatorPsp
from processors.saga.payment_saga import PaymentSaga, SagaOptions


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
            consumer=consumer_options(settings, "guilder-saga"),
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

    await serve(SAGA.name, settings.ops.port or SAGA.default_port, saga.run, health, ops_host=settings.ops.host)
