"""Fixtures for every test: real servers, started only when the first test asks for one."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from bootstrap.clock import random_bytes
from bootstrap.local_stack.servers import ServerAddresses
from tests import stack as stack_module

TEST_SHARDS = 4


@pytest.fixture(scope="session")
def stack() -> Iterator[ServerAddresses]:
    """A PostgreSQL and a Kafka for this test run; see tests/stack.py for where they come from."""
    with stack_module.servers(os.environ) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def postgres_dsn(stack: ServerAddresses) -> str:
    """A superuser's DSN of PostgreSQL's maintenance database."""
    return stack.postgres_dsn


@pytest.fixture(scope="session")
def kafka_bootstrap(stack: ServerAddresses) -> str:
    """`host:port` of a Kafka that makes no topic by itself."""
    return stack.kafka_bootstrap


@pytest.fixture
async def empty_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The DSN of a fresh, empty database, dropped after the test even if connections to it are left open."""
    name = f"guilder_test_{random_bytes(6).hex()}"
    connection: Any = await asyncpg.connect(postgres_dsn)
    try:
        # template0: nobody else can be connected to it, which CREATE DATABASE does not bear.
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield with_database(postgres_dsn, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def database(empty_database: str) -> str:
    """The DSN of a fresh database with all migrations and 4 shards, dropped after the test."""
    from migrations import migrate

    await migrate(empty_database, shards=TEST_SHARDS)
    return empty_database


@pytest.fixture
async def topic_prefix(kafka_bootstrap: str) -> AsyncIterator[str]:
    """A prefix of this test alone for the names of topics; all that bear it are deleted after the test."""
    prefix = f"test-{random_bytes(6).hex()}-"
    yield prefix
    await delete_topics(kafka_bootstrap, prefix)


def with_database(dsn: str, name: str) -> str:
    """The same server and user, another database."""
    from urllib.parse import urlsplit, urlunsplit

    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete every topic whose name begins with `prefix`."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()
