"""The Faust host on a real Kafka: each record once, in order, whatever arrives twice, late or not at all."""

from typing import Any

from processors.log_consumer import LogConsumerOptions
from tests.processors.log_consumer.conftest import consuming, until_seen
from tests.processors.log_consumer.seen_records import SeenRecords
from tests.processors.log_writer import make_record
from tests.processors.topic_writer import produce


def run_of(shard: int, first: int, last: int) -> list[Any]:
    return [make_record(shard, position) for position in range(first, last + 1)]


async def test_every_record_is_applied_once_and_in_order(options: LogConsumerOptions, owner: Any, pool: Any) -> None:
    for shard in range(4):
        await produce(options.bootstrap_servers, options.topic, run_of(shard, 1, 200))
    handler = SeenRecords(pool)
    async with consuming(options, handler, pool):
        await until_seen(owner, dict.fromkeys(range(4), 200))
        await produce(options.bootstrap_servers, options.topic, run_of(2, 201, 210))
        await until_seen(owner, {2: 210})
