"""The relay on a real PostgreSQL and a real Kafka: in order, whole, and right again after every kind of damage."""

from processors.relay import Relay, RelayOptions
from tests.oracles.topic import faults_of_topic
from tests.processors.log_writer import append
from tests.processors.relay.conftest import drained, running


async def test_the_topic_covers_the_store_in_order(options: RelayOptions) -> None:
    for shard in range(3):
        await append(options.dsn, shard, 700)
    relay = Relay(options)
    async with running(relay):
        await drained(relay, options.dsn)
        await append(options.dsn, 3, 40)
        await append(options.dsn, 0, 1)
        await drained(relay, options.dsn)
    assert await faults_of_topic(options.dsn, options.bootstrap_servers, options.topic.name) == []
