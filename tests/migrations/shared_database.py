"""A database that the tests of one module share, because they leave no trace in it that matters to each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from bootstrap.clock import random_bytes
from migrations import migrate
from tests.conftest import with_database


@asynccontextmanager
async def migrated_database(postgres_dsn: str, *, shards: int) -> AsyncIterator[str]:
    """The DSN of a database with all migrations, dropped at the end."""
    name = f"guilder_test_{random_bytes(6).hex()}"
    server = await asyncpg.connect(postgres_dsn)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        dsn = with_database(postgres_dsn, name)
        await migrate(dsn, shards=shards)
        yield dsn
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()
