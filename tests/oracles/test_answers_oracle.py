"""The idempotency oracle, shown a platform that forgets its command keys, and merchants who were told two things."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.identifiers import Prefix, public_id
from tests.campaign.traffic import Customer, Sent, Traffic
from tests.command_api.conversation import served
from tests.oracles.answers import faults_of_answers, faults_of_repeat
from tests.oracles.store import faults_of_references, http_command_key, keys_on_disk
from tests.oracles.topic import stored_records

MERCHANT = public_id(Prefix.MERCHANT, SYSTEM_IDS.new_id(1))
PATH = "/v1/payment_intents"


@asynccontextmanager
async def asked_twice(dsn: str) -> AsyncIterator[tuple[Traffic, Sent, Sent]]:
    """One create and its repeat, over HTTP, at an installation that has one merchant."""
    store = await EventStore.open(StoreOptions(dsn=dsn))
    try:
        desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        merchant_id = await desk.register("A merchant", "NL")
        key = await desk.issue_key(merchant_id, livemode=False)
    finally:
        await store.close()
    customer = Customer(merchant_id=public_id(Prefix.MERCHANT, merchant_id), api_key=key.text)
    async with served(dsn) as url, Traffic(url, [customer], seed=1) as traffic:
        body = {"amount": 100, "currency": "EUR", "reference": "order-1"}
        first = Sent(merchant_id=customer.merchant_id, api_key=key.text, key="once", path=PATH, body=body)
        await traffic.ask(first)
        ((_, again),) = await traffic.repeat([first])
        yield traffic, first, again


async def test_a_platform_that_keeps_its_keys_is_sound(database: str) -> None:
    async with asked_twice(database) as (_, first, again):
        assert faults_of_answers([first], await keys_on_disk(database)) == []
        assert faults_of_repeat(first, again) == []
        assert faults_of_references(await stored_records(database)) == []


async def test_without_the_command_key_the_oracle_sees_it(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_key = EventStore.execute

    async def without_key(store: EventStore, *arguments: Any, **options: Any) -> Any:
        return await with_key(store, *arguments, **{**options, "command_key": None})

    monkeypatch.setattr(EventStore, "execute", without_key)
    async with asked_twice(database) as (_, first, again):
        assert first.acknowledged
        assert again.acknowledged
        assert faults_of_answers([first], await keys_on_disk(database)) == [
            "once was acknowledged and stands 0 times in the log"
        ]
        assert any("once was answered with" in fault for fault in faults_of_repeat(first, again))
        assert faults_of_references(await stored_records(database)) == ["order-1 was created 2 times"]


def told(code: int | None, /, **answer: object) -> Sent:
    return Sent(merchant_id=MERCHANT, api_key="", key="k", path=PATH, body={}, status=code, answer=answer)


@pytest.mark.parametrize(
    ("code", "times", "fault"),
    [
        (201, 1, None),
        (202, 1, None),
        (409, 0, None),
        (201, 0, "stands 0 times"),
        (201, 2, "stands 2 times"),
        (409, 1, "was refused with 409 and stands 1 times"),
        (None, 1, "has no answer"),
        (503, 0, "has no answer (503)"),
    ],
)
def test_answers_are_held_against_the_log(code: int | None, times: int, fault: str | None) -> None:
    found = faults_of_answers([told(code)], {http_command_key(MERCHANT, "k"): times})
    assert found == [] if fault is None else fault in found[0]


@pytest.mark.parametrize(
    ("first", "again", "fault"),
    [
        (told(201, id="pi_1", status="authorized"), told(201, id="pi_1", status="authorized"), None),
        (told(202, id="pi_1", status="processing"), told(201, id="pi_1", status="authorized"), None),
        (told(409, code="invalid_state"), told(200, id="pi_1"), None),
        (told(202, id="pi_1"), told(202, id="pi_2"), "answered with pi_1 and then with pi_2"),
        (told(201, id="pi_1", status="authorized"), told(201, id="pi_1", status="captured"), "final answer changed"),
        (told(201, id="pi_1"), told(202, id="pi_1"), "final answer changed"),
        (told(201, id="pi_1"), told(409, code="x"), "acknowledged with 201 and then answered with 409"),
    ],
)
def test_an_answer_stands(first: Sent, again: Sent, fault: str | None) -> None:
    found = faults_of_repeat(first, again)
    assert found == [] if fault is None else fault in found[0]
