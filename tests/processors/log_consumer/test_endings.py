"""A worker that is to end does end, also while Kafka is away, or it would answer nobody and never be started again."""

import asyncio
import signal
import sys
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from processors.log_consumer import LogConsumer, LogConsumerOptions
from processors.log_consumer.log_consumer import ConsumerFailed
from tests.conftest import TEST_SHARDS
from tests.processors.log_consumer.conftest import halted_shards, until_seen
from tests.processors.log_consumer.seen_records import SeenRecords
from tests.processors.log_consumer.test_workers import WORKER, feed
from tests.processors.own_broker import OwnBroker
from tests.processors.topic_writer import make_topic

# Handling is given 5 s and Kafka's client 10; `serve` and the supervisor, which wait longer, are not in this test.
ENDS_WITHIN_S = 40


async def test_a_worker_ends_while_kafka_is_away(database: str, owner: Any, own_broker: OwnBroker) -> None:
    options = LogConsumerOptions(
        bootstrap_servers=own_broker.server.bootstrap_servers, topic="events", group="group", shards=TEST_SHARDS
    )
    await make_topic(options.bootstrap_servers, options.topic)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), database, "worker", msgspec.json.encode(options).decode()
    )
    try:
        await feed(options, 1, 10)
        await until_seen(owner, {0: 10, 1: 10})
        own_broker.kill()
        await asyncio.sleep(2)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("routine", ["_fetcher._fetch_task", "_coordinator._coordination_task"])
async def test_a_worker_whose_client_has_ended_by_itself_fails(
    options: LogConsumerOptions, owner: Any, pool: Any, routine: str
) -> None:
    consumer = LogConsumer(options, SeenRecords(pool), halted_shards(pool))
    running = asyncio.create_task(consumer.run(asyncio.Event()))
    await feed(options, 1, 10)
    await until_seen(owner, {0: 10, 1: 10})
    app: Any = consumer._app
    thread = app.consumer.client_thread
    task = attrgetter(routine)(thread._consumer)
    thread.thread_loop.call_soon_threadsafe(task.cancel)
    with pytest.raises(ConsumerFailed, match="brings nothing any more"):
        await asyncio.wait_for(running, 30)
