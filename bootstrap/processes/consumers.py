"""How a process of ours consumes the log; apart from the other connections, because it brings Faust with it."""

from bootstrap.processes.connections import bootstrap_servers_of
from bootstrap.settings import Settings
from processors.log_consumer.log_consumer import LogConsumerOptions
from schemas.kafka_record import TOPIC


def consumer_options(settings: Settings, group: str, *, gather_s: float) -> LogConsumerOptions:
    """A worker of `group` on the log. It bears its port's name, so that it gets its shards back when it restarts."""
    return LogConsumerOptions(
        bootstrap_servers=bootstrap_servers_of(settings),
        topic=TOPIC,
        group=group,
        shards=settings.shards,
        gather_s=gather_s,
        instance=f"{group}-{settings.ops.host}-{settings.ops.port}" if settings.ops.port else None,
    )
