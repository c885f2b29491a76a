"""The topic is made so that nothing of the log is ever thrown away, and only with one partition for each shard."""

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError
from msgspec.structs import replace

from processors import topics
from processors.topics import TopicMismatch, TopicOptions, check_topic, ensure_topic

KEPT_FOR_EVER = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "unclean.leader.election.enable": "false",
    "min.insync.replicas": "1",
}


async def configuration(bootstrap_servers: str, topic: str) -> dict[str, str]:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_the_topic_is_made_once_and_keeps_everything(kafka_bootstrap: str, topic_prefix: str) -> None:
    options = TopicOptions(name=f"{topic_prefix}events", partitions=5)
    with pytest.raises(UnknownTopicOrPartitionError):
        await check_topic(kafka_bootstrap, options.name, partitions=5)
    await ensure_topic(kafka_bootstrap, options)
    await ensure_topic(kafka_bootstrap, options)
    await check_topic(kafka_bootstrap, options.name, partitions=5)
    found = await configuration(kafka_bootstrap, options.name)
    assert {name: found[name] for name in KEPT_FOR_EVER} == KEPT_FOR_EVER


async def test_another_number_of_partitions_is_refused(kafka_bootstrap: str, topic_prefix: str) -> None:
    await ensure_topic(kafka_bootstrap, TopicOptions(name=f"{topic_prefix}events", partitions=2))
    with pytest.raises(TopicMismatch, match="has 2 partitions and this installation 4 shards"):
        await ensure_topic(kafka_bootstrap, TopicOptions(name=f"{topic_prefix}events", partitions=4))
    with pytest.raises(TopicMismatch):
        await check_topic(kafka_bootstrap, f"{topic_prefix}events", partitions=4)


async def test_a_topic_that_another_makes_meanwhile_is_checked_too(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TopicOptions(name=f"{topic_prefix}events", partitions=2)
    await ensure_topic(kafka_bootstrap, options)
    told = topics._partition_count
    unseen = iter([True] * 6)

    async def told_late(admin: Any, topic: str) -> int | None:
        return None if next(unseen, False) else await told(admin, topic)

    monkeypatch.setattr(topics, "_partition_count", told_late)
    await ensure_topic(kafka_bootstrap, options)
    unseen = iter([True] * 2)
    with pytest.raises(TopicMismatch, match="has 2 partitions and this installation 4 shards"):
        await ensure_topic(kafka_bootstrap, replace(options, partitions=4))


def test_production_asks_for_more_than_one_copy() -> None:
    options = TopicOptions(name="events", partitions=16, replication_factor=3, min_insync_replicas=2)
    assert options.configuration()["min.insync.replicas"] == "2"
