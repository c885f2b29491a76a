"""Fixtures for every test: real servers, started only when the first test asks for one."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from bootstrap.clock import random_bytes
from bootstrap.local_stack.servers import ServerAddresses
from migrations import migrate
from tests import stack as stack_module
from tests.campaign.installation import end_shared_installation
from tests.dealing import Dealing, is_of_shared_installation, turn

TEST_SHARDS = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: turn(item.nodeid))


@pytest.hookimpl(trylast=True)  # when the fixtures of its tests are gone
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    stays = nextitem is not None and is_of_shared_installation(nextitem.nodeid)
    if is_of_shared_installation(item.nodeid) and not stays:
        end_shared_installation()


def pytest_sessionfinish() -> None:
    end_shared_installation()  # also when the run was interrupted


@pytest.hookimpl(optionalhook=True)  # for runs without pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deals tests out to workers, each of which has servers of its own."""
    return Dealing(config, log)


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
    async with fresh_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def migrated_template(postgres_dsn: str) -> AsyncIterator[str]:
    """The name of a database with all migrations and 4 shards, to make others from."""
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, shards=TEST_SHARDS)
        yield urlsplit(dsn).path.removeprefix("/")


@pytest.fixture
async def database(postgres_dsn: str, migrated_template: str) -> AsyncIterator[str]:
    """The DSN of a fresh database with all migrations and 4 shards, dropped after the test."""
    async with fresh_database(postgres_dsn, template=migrated_template) as dsn:
        yield dsn


@pytest.fixture
async def topic_prefix(kafka_bootstrap: str) -> AsyncIterator[str]:
    """A prefix of this test alone for the names of topics; all that bear it are deleted after the test."""
    prefix = f"test-{random_bytes(6).hex()}-"
    yield prefix
    await delete_topics(kafka_bootstrap, prefix)


@asynccontextmanager
async def fresh_database(postgres_dsn: str, *, template: str = "template0") -> AsyncIterator[str]:
    """The DSN of a new database like `template`, to which nobody may be connected."""
    name = f"guilder_test_{random_bytes(6).hex()}"
    connection: Any = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        if template != "template0":
            # What a migration granted on its database itself is not copied with it.
            await connection.execute(f"GRANT CREATE ON DATABASE {name} TO guilder_projections")
        try:
            yield with_database(postgres_dsn, name)
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


def with_database(dsn: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete every topic whose name begins with `prefix`."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()
