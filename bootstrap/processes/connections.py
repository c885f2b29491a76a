"""What several processes connect to, said once: the store and the topic."""

from bootstrap.settings import SettingMissing, Settings
from event_store import StoreOptions
from processors.topics import TopicOptions
from schemas.kafka_record import TOPIC


def dsn_of(settings: Settings) -> str:
    """PostgreSQL's DSN.

    Raises:
        SettingMissing: there is none.
    """
    if settings.postgres.dsn is None:
        raise SettingMissing("GUILDER_POSTGRES__DSN is not set")
    return settings.postgres.dsn


def bootstrap_servers_of(settings: Settings) -> str:
    """Kafka's bootstrap servers.

    Raises:
        SettingMissing: there are none.
    """
    if settings.kafka.bootstrap_servers is None:
        raise SettingMissing("GUILDER_KAFKA__BOOTSTRAP_SERVERS is not set")
    return settings.kafka.bootstrap_servers


def topic_of(settings: Settings) -> TopicOptions:
    """The topic that carries the log."""
    return TopicOptions(
        name=TOPIC,
        partitions=settings.shards,
        replication_factor=settings.kafka.replication_factor,
        min_insync_replicas=settings.kafka.min_insync_replicas,
    )


def store_options(settings: Settings) -> StoreOptions:
    """The event store; its database has to have the number of shards that is configured."""
    return StoreOptions(dsn=dsn_of(settings), shards=settings.shards, cached_bytes=settings.store.cached_bytes)


def shell_store_options(settings: Settings) -> StoreOptions:
    """The event store for one command at a shell, which need not be configured with the installation's shards."""
    return StoreOptions(dsn=dsn_of(settings))
