"""Reads while PostgreSQL does not answer."""

import asyncio

import pytest

from projections.query_api import QueryServices
from projections.query_api.reading import connected
from schemas.errors import Overloaded
from tests.conftest import TEST_SHARDS
from tests.contract.tcp_proxy import proxied


async def read_one(services: QueryServices) -> int:
    async with connected(services) as connection:
        found: int = await connection.fetchval("SELECT 1")
    return found


async def test_a_server_that_is_silent_is_not_waited_for_without_end(database: str) -> None:
    async with proxied(database) as (proxy, dsn):
        services = await QueryServices.open(
            dsn, shards=TEST_SHARDS, connections=1, statement_timeout_ms=200, max_wait_s=0.5
        )
        try:
            proxy.frozen = True
            reading = asyncio.create_task(read_one(services))
            done, _ = await asyncio.wait([reading], timeout=10)
            assert done, "it waits for as long as the server is silent"
            with pytest.raises(Overloaded):
                reading.result()
            proxy.frozen = False
            assert await read_one(services) == 1
        finally:
            proxy.frozen = False
            await services.close()
