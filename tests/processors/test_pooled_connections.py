"""What one user of a pool leaves undone is not the next one's: each pool of the house that resets nothing by itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from processors.projector.projector import open_pool as open_projector_pool
from processors.saga.connections import open_pool as open_saga_pool
from projections.query_api import QueryServices
from tests.conftest import TEST_SHARDS

Opened = Callable[[str], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def of_the_query_api(dsn: str) -> AsyncIterator[Any]:
    services = await QueryServices.open(dsn, shards=TEST_SHARDS, connections=1)
    try:
        yield services.pool
    finally:
        await services.close()


@asynccontextmanager
async def of_the_saga(dsn: str) -> AsyncIterator[Any]:
    async with await open_saga_pool(dsn) as pool:
        yield pool


@asynccontextmanager
async def of_the_projector(dsn: str) -> AsyncIterator[Any]:
    async with await open_projector_pool(dsn) as pool:
        yield pool


@pytest.mark.parametrize("opened", [of_the_query_api, of_the_saga, of_the_projector])
async def test_a_transaction_that_was_cut_off_ends_with_its_use(database: str, opened: Opened) -> None:
    async with opened(database) as pool:
        async with pool.acquire() as first:
            backend = await first.fetchval("SELECT pg_backend_pid()")
            await first.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        async with pool.acquire() as second:
            assert await second.fetchval("SELECT pg_backend_pid()") == backend
            assert not second.is_in_transaction()
