"""One installation for all tests of this folder: a migrated database, the API over TCP, and two merchants."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from bootstrap.clock import SYSTEM_CLOCK, random_bytes
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from migrations import migrate
from tests.command_api.conversation import OPERATOR_KEY, Client, served
from tests.command_api.psp_stand_in import PspStandIn
from tests.conftest import TEST_SHARDS, with_database


@pytest.fixture(scope="package")
async def api_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The DSN of a migrated database that the tests of this folder share; each works with objects of its own."""
    name = f"guilder_test_{random_bytes(6).hex()}"
    connection: Any = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        dsn = with_database(postgres_dsn, name)
        await migrate(dsn, shards=TEST_SHARDS)
        yield dsn
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture(scope="package")
async def store(api_database: str) -> AsyncIterator[EventStore]:
    """A store of its own, as another process has one."""
    opened = await EventStore.open(StoreOptions(dsn=api_database))
    yield opened
    await opened.close()


@pytest.fixture(scope="package")
def desk(store: EventStore) -> MerchantDesk:
    return MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)


@pytest.fixture(scope="package")
def psp(store: EventStore) -> PspStandIn:
    return PspStandIn(store)


@pytest.fixture(scope="package")
async def api_url(api_database: str) -> AsyncIterator[str]:
    async with served(api_database) as url:
        yield url


@pytest.fixture(scope="package")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        yield client


async def merchant_client(desk: MerchantDesk, http: httpx.AsyncClient, url: str, *, livemode: bool = False) -> Client:
    merchant_id = await desk.register("A merchant", "DE")
    await desk.set_fee_plan(merchant_id, rate_ppm=29_000, fixed={"EUR": 30}, refund_fee={})
    key = await desk.issue_key(merchant_id, livemode=livemode)
    return Client(http, url, key.text)


@pytest.fixture(scope="package")
async def client(desk: MerchantDesk, http: httpx.AsyncClient, api_url: str) -> Client:
    """A merchant with a key of test mode."""
    return await merchant_client(desk, http, api_url)


@pytest.fixture(scope="package")
async def stranger(desk: MerchantDesk, http: httpx.AsyncClient, api_url: str) -> Client:
    """Another merchant."""
    return await merchant_client(desk, http, api_url)


@pytest.fixture(scope="package")
def operator(http: httpx.AsyncClient, api_url: str) -> Client:
    return Client(http, api_url, OPERATOR_KEY)
