from collections.abc import AsyncIterator, Iterator
from itertools import count

import asyncpg
import pytest

from event_store import StoreOptions
from event_store.bridge import Database
from tests.migrations.shared_database import migrated_database

# What the library's own test cases do not keep to: its states are no frames, and its versions may start at 0.
HOUSE_RULES = ("events_payload_framed", "events_version_from_one")
CASES = 32


@pytest.fixture(scope="module")
async def bare_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """A schema without the rules that only our own events keep to, with a shard for each case."""
    async with migrated_database(postgres_dsn, shards=CASES) as dsn:
        connection = await asyncpg.connect(dsn)
        for rule in HOUSE_RULES:
            await connection.execute(f"ALTER TABLE events DROP CONSTRAINT {rule}")
        await connection.close()
        yield dsn


@pytest.fixture(scope="module")
def unused_shards() -> Iterator[int]:
    return count()


@pytest.fixture
def bare(bare_dsn: str, unused_shards: Iterator[int], request: pytest.FixtureRequest) -> Iterator[None]:
    """Gives a unittest.TestCase of the library its `dsn` and `database`, and a `shard` where nothing has happened."""
    request.cls.dsn = bare_dsn
    request.cls.shard = next(unused_shards)
    request.cls.database = Database(StoreOptions(dsn=bare_dsn))
    yield
    request.cls.database.close()


@pytest.fixture
def shard_database(database: str) -> Iterator[Database]:
    """The real schema, as the bridge sees it."""
    opened = Database(StoreOptions(dsn=database))
    yield opened
    opened.close()
