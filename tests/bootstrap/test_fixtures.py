"""The fixtures that all other tests stand on."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.conftest import delete_topics
from tests.stack import KAFKA_VARIABLE, POSTGRES_VARIABLE, Provider, choose_provider

BOTH = {POSTGRES_VARIABLE: "postgresql://elsewhere/", KAFKA_VARIABLE: "elsewhere:9092"}


def never_asked() -> bool:
    raise AssertionError("Docker is not to be asked when servers are given")


def test_given_servers_win_without_asking_for_docker() -> None:
    assert choose_provider(BOTH, never_asked) is Provider.GIVEN


def test_containers_are_used_where_docker_answers() -> None:
    assert choose_provider({}, lambda: True) is Provider.CONTAINERS


def test_the_local_stack_is_used_where_docker_does_not_answer() -> None:
    assert choose_provider({}, lambda: False) is Provider.LOCAL


def test_an_empty_variable_counts_as_not_set() -> None:
    assert choose_provider(dict.fromkeys(BOTH, ""), lambda: False) is Provider.LOCAL


@pytest.mark.parametrize("name", sorted(BOTH))
def test_one_given_server_without_the_other_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        choose_provider({name: BOTH[name]}, lambda: True)


@pytest.fixture
async def left_open() -> AsyncIterator[list[Any]]:
    """Connections still open when the fixtures asked for after this one have ended."""
    connections: list[Any] = []
    yield connections
    for connection in connections:
        connection.terminate()


async def test_each_test_gets_a_database_of_its_own(left_open: list[Any], empty_database: str) -> None:
    connection: Any = await asyncpg.connect(empty_database)
    left_open.append(connection)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    assert await connection.fetchval("SHOW fsync") == "on"
    assert await connection.fetchval("SHOW synchronous_commit") == "on"


async def test_a_topic_holds_what_was_sent_and_goes_with_its_prefix(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, b"a record", partition=2)
    await producer.stop()
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, 2)])
    record = await consumer.getone()
    await consumer.stop()
    assert (record.value, record.offset) == (b"a record", 0)

    await delete_topics(kafka_bootstrap, topic_prefix)
    assert not [name for name in await admin.list_topics() if name.startswith(topic_prefix)]
    await admin.close()


async def test_a_migrated_database_has_its_four_shards(database: str) -> None:
    connection: Any = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM heads") == 4
    finally:
        await connection.close()
