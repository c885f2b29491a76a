"""Kafka's topics: made once, with one partition for each shard, and checked ever after."""

from typing import Any, Final

from bootstrap.local_stack import LocalStackError

REPLICAS: Final = 3
"""Of each partition, or as many as there are brokers."""


class TopicMismatchError(LocalStackError):
    """A topic is there, but not with one partition for each shard; that cannot be mended without losing order."""


async def ensure_topic(bootstrap_servers: str, topic: str, *, partitions: int) -> bool:
    """Create `topic` if it is missing; True when it was. Records are kept for ever and never compacted.

    Raises TopicMismatchError when it has another number of partitions, and aiokafka's errors.
    """
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        if topic in await admin.list_topics():
            [description] = await admin.describe_topics([topic])
            found = len(description["partitions"])
            if found != partitions:
                raise TopicMismatchError(f"the topic {topic} has {found} partitions, but there are {partitions} shards")
            return False
        brokers = len((await admin.describe_cluster())["brokers"])
        replicas = min(REPLICAS, brokers)
        configuration = {
            # One replica may be away without stopping the log, where there are enough of them.
            "min.insync.replicas": str(max(1, replicas - 1)),
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "cleanup.policy": "delete",
            "unclean.leader.election.enable": "false",
        }
        answer = await admin.create_topics(
            [NewTopic(topic, num_partitions=partitions, replication_factor=replicas, topic_configs=configuration)]
        )
        [(_, code, message)] = [(error[0], error[1], error[2]) for error in answer.topic_errors]
        if code != 0:
            raise TopicMismatchError(f"the topic {topic} could not be made: {message or code}")
        return True
    finally:
        await admin.close()
