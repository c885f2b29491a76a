"""The relay's process: copies the log to Kafka, in order."""

from bootstrap.local_stack.roster import RELAY
from bootstrap.processes import HealthReport, health_details, serve
from bootstrap.processes.connections import bootstrap_servers_of, dsn_of, topic_of
from bootstrap.settings import Settings
from bootstrap.telemetry.backlog_gauges import BacklogGauges
from bootstrap.telemetry.exposition import Exposition
from processors.relay import Relay, RelayOptions


def options_of(settings: Settings) -> RelayOptions:
    """What the relay is told; its locks go past a pooler where there is one."""
    return RelayOptions(
        dsn=dsn_of(settings),
        direct_dsn=settings.postgres.direct_dsn,
        bootstrap_servers=bootstrap_servers_of(settings),
        topic=topic_of(settings),
    )


async def run(settings: Settings) -> None:
    """Relay until asked to end; what makes the relay give up ends the process, which is started again."""
    relay = Relay(options_of(settings))

    async def health() -> HealthReport:
        return health_details(relay.health())

    gauges = BacklogGauges(dsn_of(settings), "relay")
    await serve(
        RELAY.name,
        settings.ops.port or RELAY.default_port,
        relay.run,
        health,
        ops_host=settings.ops.host,
        exposition=Exposition(refreshes=[gauges.refresh], registry=gauges.registry),
        settings=settings,
    )
