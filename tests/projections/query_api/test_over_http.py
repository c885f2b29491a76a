"""The reads through the whole API, over TCP: what was written is read back, by those who may."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from processors.projector import Projector, open_pool
from processors.rebuild import PostgresLog
from projections import PROJECTIONS
from projections.query_api import ROUTES
from tests.command_api.conversation import OPERATOR_KEY, Client, served
from tests.conftest import TEST_SHARDS


class Place:
    """The API over one database, with a projector that follows the log when it is told to."""

    def __init__(self, url: str, http: httpx.AsyncClient, desk: MerchantDesk, pool: Any) -> None:
        self.url, self.http, self.desk, self.pool = url, http, desk, pool
        self.operator = Client(http, url, OPERATOR_KEY)

    async def merchant(self, *scopes: str, livemode: bool = False) -> Client:
        merchant_id = await self.desk.register("A merchant", "DE")
        key = await self.desk.issue_key(merchant_id, scopes=scopes, livemode=livemode)
        return Client(self.http, self.url, key.text)

    async def project(self) -> None:
        projector = Projector(self.pool, PROJECTIONS)
        for shard, position in (await projector.positions(range(TEST_SHARDS))).items():
            records = await PostgresLog(self.pool).read(shard, position, 1 << 62, 1000)
            if records:
                await projector.handle(shard, records)


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    store = await EventStore.open(StoreOptions(dsn=database))
    pool = await open_pool(database)
    async with served(database) as url, httpx.AsyncClient(timeout=30) as http:
        yield Place(url, http, MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS), pool)
    await pool.close()
    await store.close()


WRITE, READ, LEDGER = "payments:write", "payments:read", "ledger:read"


async def test_a_write_is_read_back_at_its_position(place: Place) -> None:
    merchant = await place.merchant(WRITE, READ)
    created = await merchant.create(reference="order-17")
    position = created.headers["guilder-position"]
    reading = asyncio.create_task(
        merchant.get("/v1/payment_intents?reference=order-17", {"Guilder-Min-Position": position})
    )
    await asyncio.sleep(0.1)
    assert not reading.done()
    await place.project()
    listed = await reading
    assert listed.status_code == 200
    assert listed.json()["data"] == [created.json()]
    assert listed.headers["guilder-position"] == position
    alone = await merchant.get(f"/v1/payment_intents/{created.json()['id']}")
    assert listed.json()["data"][0] == alone.json()

    history = await merchant.get(f"/v1/payment_intents/{created.json()['id']}/events")
    assert [event["type"] for event in history.json()["data"]] == ["PaymentIntentCreated"]
    assert history.json()["data"][0]["position"] == position


async def test_another_merchants_intents_are_not_there(place: Place) -> None:
    merchant, stranger = await place.merchant(WRITE, READ), await place.merchant(READ)
    intent_id = (await merchant.create()).json()["id"]
    await place.project()
    assert (await stranger.get("/v1/payment_intents")).json()["data"] == []
    missing = await stranger.get(f"/v1/payment_intents/{intent_id}/events")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (await place.operator.get("/v1/payment_intents")).json()["data"][0]["id"] == intent_id


SCOPES = {
    "/v1/payment_intents": READ,
    "/v1/payment_intents/pi_00000000000000000000000000/events": READ,
    "/v1/refunds/re_00000000000000000000000000": READ,
    "/v1/ledger/accounts": LEDGER,
    "/v1/ledger/accounts/acc_00000000000000000000000000/entries": LEDGER,
    "/v1/ledger/trial_balance": "audit:read",
    "/v1/balances": LEDGER,
}


async def test_each_route_asks_for_its_scope(place: Place) -> None:
    for scope in (READ, LEDGER, "audit:read"):
        others = {READ, WRITE, LEDGER, "audit:read", "ops:write"} - {scope}
        without, with_it = await place.merchant(*others), await place.merchant(scope)
        for path in [path for path, asked in SCOPES.items() if asked == scope]:
            refused = await without.get(path)
            assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing"), path
            assert (await with_it.get(path)).status_code == (404 if "0000" in path else 200), path
            assert (await Client(place.http, place.url, "nobody").get(path)).status_code == 401, path
    assert {route.path.replace("{id}", "") for route in ROUTES} == {_without_id(path) for path in SCOPES}


def _without_id(path: str) -> str:
    return "/".join("" if "_0000" in part else part for part in path.split("/"))


async def test_the_books_of_an_empty_installation_balance(place: Place) -> None:
    found = await place.operator.get("/v1/ledger/trial_balance")
    assert found.json() == {
        "object": "trial_balance",
        "as_of": "0:0,1:0,2:0,3:0",
        "effective_as_of": None,
        "balanced": True,
        "currencies": [],
        "shards": [],
    }


async def test_a_position_that_does_not_come_says_when_to_try_again(place: Place) -> None:
    answer = await place.operator.get("/v1/ledger/trial_balance?as_of=0:999999,1:0,2:0,3:0")
    assert (answer.status_code, answer.json()["code"]) == (503, "position_not_reached")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_what_is_no_list_is_not_called_one(place: Place) -> None:
    merchant = await place.merchant(READ, LEDGER)
    answer = await merchant.get("/v1/balances?currency=USD")
    assert (answer.status_code, answer.json()["code"]) == (400, "filter_unknown")
    assert answer.json()["detail"] == (
        "There is no query parameter 'currency' here; known are: as_of, effective_as_of, merchant_id."
    )


async def test_refusals_are_problem_documents_with_their_codes(place: Place) -> None:
    merchant = await place.merchant(READ, LEDGER)
    for query, status, code in (
        ("amount=5", 400, "filter_unknown"),
        ("cursor=abc", 400, "cursor_invalid"),
        ("limit=1000", 400, "validation_failed"),
        ("currency=euro", 400, "validation_failed"),
    ):
        answer = await merchant.get(f"/v1/payment_intents?{query}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
