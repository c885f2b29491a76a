"""The topic that carries the log: made once with an explicit number of partitions, checked at every start.

A partition is a shard, so a topic with another number of partitions would route records to the wrong place for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

REQUEST_TIMEOUT_MS: Final = 10_000
_LOOK_EVERY_MS: Final = 100


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
        UnknownTopicOrPartitionError: it was made by another, and the broker does not tell of it for ten seconds.
        KafkaError: the broker cannot be reached or refused.
    """
    async with _admin(bootstrap_servers) as admin:
        partitions = await _partition_count(admin, options.name)
        if partitions is None:
            if await _create(admin, options):
                return
            partitions = await _partitions_of_new(admin, options.name)
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


async def _partitions_of_new(admin: Any, topic: str) -> int:
    """How many partitions a topic has that was made a moment ago, and that the broker may not tell of yet."""
    for _ in range(REQUEST_TIMEOUT_MS // _LOOK_EVERY_MS):
        found = await _partition_count(admin, topic)
        if found is not None:
            return found
        await asyncio.sleep(_LOOK_EVERY_MS / 1000)
    raise UnknownTopicOrPartitionError(f"topic {topic} was made by another, and the broker does not tell of it")


async def _create(admin: Any, options: TopicOptions) -> bool:
    """Make the topic; false where another has made it meanwhile, who knows with how many partitions."""
    topic = NewTopic(
        options.name,
        options.partitions,
        options.replication_factor,
        topic_configs=options.configuration(),
    )
    response = await admin.create_topics([topic])
    ((_, code, *_),) = response.topic_errors
    error = for_code(code)
    if code and error is not TopicAlreadyExistsError:
        raise error(f"topic {options.name} could not be made")
    return not code
