"""Many at once, over two API processes: money is spent once, and a key is one command."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.campaign.installation import Installation
from tests.command_api.conversation import CARD, Client
from tests.oracles.psp import simulator_log

pytestmark = pytest.mark.slow


@pytest.fixture
def shops(shop: Client, second_api: str) -> list[Client]:
    """The same merchant at both processes."""
    return [shop, Client(shop.http, second_api, shop.api_key)]


REVOKED_WITHIN_S = 1.0
"""As the contract has it."""


async def raced(shops: list[Client], intent_id: str, verb: str, body: dict[str, Any], times: int) -> Counter[Any]:
    """`times` commands, each with a key of its own, at the same time: answers by status and code."""
    answers = await asyncio.gather(
        *(shops[number % 2].command(intent_id, verb, body, wait=30) for number in range(times))
    )
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


async def paid(shop: Client, capture_method: str) -> str:
    created = await shop.create(amount=100, authorize=True, payment_method=CARD, capture_method=capture_method, wait=30)
    assert created.json()["status"] == ("captured" if capture_method == "automatic" else "authorized")
    intent_id: str = created.json()["id"]
    return intent_id


async def successes_at_the_psp(installation: Installation, intent: Any, operation: str) -> int:
    attempts = {attempt["id"] for attempt in intent["attempts"]}
    log = await simulator_log(installation.psp_simulator)
    return sum(line["reference"] in attempts and line["operation"] == operation for line in log)


async def test_of_a_hundred_refunds_of_60_on_a_captured_100_one_succeeds(
    installation: Installation, shops: list[Client]
) -> None:
    intent_id = await paid(shops[0], "automatic")
    answers = await raced(shops, intent_id, "refund", {"amount": 60}, 100)
    assert answers == {(200, None): 1, (422, "refund_exceeds_captured"): 99}
    intent = (await shops[1].get(f"/v1/payment_intents/{intent_id}")).json()
    assert (intent["status"], intent["amount_refunded"]) == ("partially_refunded", 60)
    assert await successes_at_the_psp(installation, intent, "refund") == 1


async def test_of_a_hundred_captures_of_60_on_an_authorized_100_one_succeeds(
    installation: Installation, shops: list[Client]
) -> None:
    intent_id = await paid(shops[0], "manual")
    answers = await raced(shops, intent_id, "capture", {"amount": 60}, 100)
    assert answers == {(200, None): 1, (422, "capture_exceeds_authorized"): 99}
    intent = (await shops[1].get(f"/v1/payment_intents/{intent_id}")).json()
    assert (intent["status"], intent["amount_captured"]) == ("partially_captured", 60)
    assert await successes_at_the_psp(installation, intent, "capture") == 1


async def test_two_hundred_duplicates_of_one_key_are_one_payment(
    installation: Installation, shops: list[Client]
) -> None:
    async def create(number: int) -> httpx.Response:
        return await shops[number % 2].create(
            key="one-of-two-hundred", reference="one-of-two-hundred", authorize=True, payment_method=CARD, wait=30
        )

    answers = await asyncio.gather(*(create(number) for number in range(200)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    intent = answers[0].json()
    assert intent["status"] == "authorized"
    assert Counter(answer.headers.get("Idempotent-Replayed") for answer in answers) == {None: 1, "true": 199}
    at_least = {"Guilder-Min-Position": answers[0].headers["Guilder-Position"]}
    listed = await shops[0].get("/v1/payment_intents?reference=one-of-two-hundred", headers=at_least)
    assert [each["id"] for each in listed.json()["data"]] == [intent["id"]]
    assert await successes_at_the_psp(installation, intent, "payment") == 1


async def test_of_a_hundred_cancellations_one_is_accepted_and_both_processes_show_it(shops: list[Client]) -> None:
    intent_id = (await shops[0].create()).json()["id"]
    answers = await raced(shops, intent_id, "cancel", {}, 100)
    assert answers.pop((200, None)) == 1
    assert sum(answers.values()) == 99
    assert set(answers) <= {(409, "invalid_state"), (409, "concurrent_update")}
    for shop in shops:
        assert (await shop.get(f"/v1/payment_intents/{intent_id}")).json()["status"] == "canceled"


async def test_a_revoked_key_is_refused_by_both_processes(installation: Installation, shops: list[Client]) -> None:
    merchant_id = (await shops[0].create()).json()["merchant_id"]
    issued = await installation.call("merchant", "key", "issue", merchant_id)
    clients = [Client(shop.http, shop.url, issued["api_key"]) for shop in shops]
    for client in clients:
        assert (await client.get("/v1/payment_intents")).status_code == 200
    await installation.call("merchant", "key", "revoke", issued["key_id"])
    await asyncio.sleep(REVOKED_WITHIN_S)
    for client in clients:
        refused = await client.get("/v1/payment_intents")
        assert (refused.status_code, refused.json()["code"]) == (401, "key_revoked")
