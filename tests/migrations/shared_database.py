"""A database that the tests of one module share, because they leave no trace in it that matters to each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from migrations import migrate
from tests.conftest import fresh_database


@asynccontextmanager
async def migrated_database(postgres_dsn: str, *, shards: int) -> AsyncIterator[str]:
    """The DSN of a database with all migrations, dropped at the end."""
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, shards=shards)
        yield dsn
