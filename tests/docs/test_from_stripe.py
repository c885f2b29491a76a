"""docs/from_stripe.md: the habits that it says are refused are, and those that are taken do here what it says they do."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.currencies import exponent_of
from tests.command_api.conversation import CARD, Client, served
from tests.command_api.psp_stand_in import DECLINE, PspStandIn
from tests.conftest import fresh_database

PAGE = (Path(__file__).parents[2] / "docs" / "from_stripe.md").read_text(encoding="utf-8")
REFUSED = re.findall(r"^\| `([A-Z]+) (\S+)`(?: `(.+?)`)? \| (\d+) `(\w+)` \|", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
async def shop(postgres_dsn: str, migrated_template: str) -> AsyncIterator[tuple[Client, PspStandIn]]:
    async with fresh_database(postgres_dsn, template=migrated_template) as dsn, served(dsn) as url:
        store = await EventStore.open(StoreOptions(dsn=dsn))
        desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        key = await desk.issue_key(await desk.register("A merchant", "DE"), livemode=False)
        async with httpx.AsyncClient(timeout=30) as http:
            yield Client(http, url, key.text), PspStandIn(store)
        await store.close()


async def test_each_habit_is_answered_as_its_row_says(shop: tuple[Client, PspStandIn]) -> None:
    client, _ = shop
    intent_id = (await client.create()).json()["id"]
    assert len(REFUSED) == PAGE.partition("## Refused")[2].partition("\n## ")[0].count("\n| `")
    for method, target, body, status, code in REFUSED:
        path, sent = target.replace("{id}", intent_id), body.replace("{id}", intent_id)
        kind = "application/json" if sent.startswith("{") else "application/x-www-form-urlencoded"
        answer = await (
            client.get(path) if method == "GET" else client.post(path, sent.encode(), headers={"Content-Type": kind})
        )
        assert (answer.status_code, answer.json()["code"]) == (int(status), code), (target, body)


async def test_what_is_taken_does_what_the_page_says(shop: tuple[Client, PspStandIn]) -> None:
    client, psp = shop
    made = await client.create(authorize=True, payment_method=CARD, wait=0, key="habit")
    intent_id = made.json()["id"]
    await psp.settle(intent_id, decline=DECLINE)
    declined = await client.create(authorize=True, payment_method=CARD, key="habit")
    assert (declined.status_code, declined.json()["status"]) == (201, "declined")
    assert declined.json()["last_payment_error"]["code"] == DECLINE.code

    assert (await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0)).status_code == 202
    await psp.settle(intent_id)
    held = (await client.get(f"/v1/payment_intents/{intent_id}")).json()
    assert (held["status"], held["amount_captured"]) == ("authorized", 0)

    await client.command(intent_id, "capture", {"amount": 1}, wait=0, key="part")
    await psp.settle(intent_id)
    part = (await client.command(intent_id, "capture", {"amount": 1}, key="part")).json()
    assert (part["status"], part["amount_capturable"], part["amount_released"]) == ("partially_captured", 9999, 0)

    for verb, shown in (("capture", "captures"), ("refund", None), ("cancel", None)):
        await client.command(intent_id, verb, wait=0, key=verb)
        await psp.settle(intent_id, decline=DECLINE)
        failed = await client.command(intent_id, verb, key=verb)
        assert failed.status_code == 200
        last = failed.json()[shown][-1] if shown else failed.json()
        assert last["status"] == ("partially_captured" if verb == "cancel" else "failed")


def test_where_minor_units_differ() -> None:
    assert (exponent_of("ISK"), exponent_of("MGA")) == (0, 2)
