"""The topic that carries the log: made once with an explicit number of partitions, checked at every start.

A partition is a shard, so a topic with another number of partitions would route records to the wrong place for ever.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

REQUEST_TIMEOUT_MS: Final = 10_000


class TopicMismatch(Exception):
    """The topic exists, but not with one partition for each shard."""


class TopicOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the topic is made. In production `replication_factor` is 3 and `min_insync_replicas` 2."""

    name: str
    partitions: int
    replication_factor: int = 1
    min_insync_replicas: int = 1

    def configuration(self) -> dict[str, str]:
        """Nothing of the log is ever thrown away: no limit of time or size, no compaction, no unclean leader."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "unclean.leader.election.enable": "false",
            "min.insync.replicas": str(self.min_insync_replicas),
            "message.timestamp.type": "CreateTime",
        }


async def ensure_topic(bootstrap_servers: str, options: TopicOptions) -> None:
    """Make the topic where it is missing, and check that it has one partition for each shard.

    Raises:
        TopicMismatch: it has another number of partitions.
        KafkaError: the broker cannot be reached or refused.
    """
    async with _admin(bootstrap_servers) as admin:
        partitions = await _partition_count(admin, options.name)
        if partitions is None:
            await _create(admin, options)
            partitions = options.partitions
    _check(options.name, partitions, options.partitions)


async def check_topic(bootstrap_servers: str, name: str, *, partitions: int) -> None:
    """Check that the topic is there and has one partition for each shard.

    Raises:
        TopicMismatch: it has another number of partitions.
        UnknownTopicOrPartitionError: it is not there (yet).
        KafkaError: the broker cannot be reached or refused.
    """
    async with _admin(bootstrap_servers) as admin:
        found = await _partition_count(admin, name)
    if found is None:
        raise UnknownTopicOrPartitionError(f"there is no topic {name} yet")
    _check(name, found, partitions)


def _check(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise TopicMismatch(f"topic {name} has {found} partitions and this installation {wanted} shards")


@asynccontextmanager
async def _admin(bootstrap_servers: str) -> AsyncIterator[Any]:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _partition_count(admin: Any, topic: str) -> int | None:
    # Asking for all topics and not for this one: a broker that makes topics by itself would make it on being asked.
    if topic not in await admin.list_topics():
        return None
    (description,) = await admin.describe_topics([topic])
    return len(description["partitions"])


async def _create(admin: Any, options: TopicOptions) -> None:
    topic = NewTopic(
        options.name,
        options.partitions,
        options.replication_factor,
        topic_configs=options.configuration(),
    )
    response = await admin.create_topics([topic])
    for _, code, *_ in response.topic_errors:
        error = for_code(code)
        # Another relay may have made it meanwhile, with the same settings.
        if code and error is not TopicAlreadyExistsError:
            raise error(f"topic {options.name} could not be made")
