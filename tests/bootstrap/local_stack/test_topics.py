"""The log's topic: made with its partitions, and refused when they are not as many as the shards."""

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bootstrap.local_stack.topics import TopicMismatchError, ensure_topic


async def test_it_is_made_once_and_keeps_everything(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}log"
    assert await ensure_topic(kafka_bootstrap, topic, partitions=4)
    assert not await ensure_topic(kafka_bootstrap, topic, partitions=4)
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    await admin.close()
    values = {entry[0]: entry[1] for resource in answer.resources for entry in resource[4]}
    assert (values["retention.ms"], values["retention.bytes"], values["cleanup.policy"]) == ("-1", "-1", "delete")


async def test_another_number_of_partitions_is_refused(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}log"
    await ensure_topic(kafka_bootstrap, topic, partitions=2)
    with pytest.raises(TopicMismatchError, match="has 2 partitions, but there are 3 shards"):
        await ensure_topic(kafka_bootstrap, topic, partitions=3)
