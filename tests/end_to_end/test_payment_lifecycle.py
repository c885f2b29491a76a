"""A payment from the merchant's first request to the posted ledger, through every process there is."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.campaign.installation import Installation
from tests.command_api.conversation import CARD, Client
from tests.oracles.psp import simulator_log

pytestmark = pytest.mark.slow

# A currency that nothing else in this installation uses, so that the books of it are those of this payment.
CURRENCY = "CHF"
AVAILABLE_WITHIN_S = 60.0


async def settled(answer: httpx.Response) -> Any:
    """The body of a command whose outcome was waited for."""
    assert answer.status_code == 200, answer.text
    return answer.json()


async def books(client: Client, position: str) -> dict[str, int]:
    """The merchant's accounts by code, at `position` or later: what is owed to it."""
    at_least = {"Guilder-Min-Position": position}
    answer = await client.get(f"/v1/ledger/accounts?currency={CURRENCY}", headers=at_least)
    assert answer.status_code == 200, answer.text
    return {account["code"]: -account["balance"] for account in answer.json()["data"]}


async def test_the_worked_case_from_request_to_ledger(
    installation: Installation, demo: Client, stranger: Client
) -> None:
    created = await demo.create(amount=10_000, currency=CURRENCY, reference="order-17")
    assert (created.status_code, created.json()["status"]) == (201, "created")
    intent_id = created.json()["id"]
    intent = await settled(await demo.command(intent_id, "authorize", {"payment_method": CARD}, wait=30))
    assert (intent["status"], intent["amount_authorized"]) == ("authorized", 10_000)
    intent = await settled(await demo.command(intent_id, "capture", {"amount": 6_000}, wait=30))
    assert (intent["status"], intent["captures"][0]["platform_fee"]) == ("partially_captured", 204)
    intent = await settled(await demo.command(intent_id, "capture", {"amount": 3_000}, wait=30))
    assert [capture["psp_fee"] for capture in intent["captures"]] == [66, 33]
    intent = await settled(await demo.command(intent_id, "cancel", {"reason": "the rest"}, wait=30))
    assert (intent["status"], intent["amount_released"]) == ("captured", 1_000)
    refunding = await demo.command(intent_id, "refund", {"amount": 5_000, "reason": "customer_request"}, wait=30)
    refund = await settled(refunding)
    assert (refund["object"], refund["status"], refund["amount"]) == ("refund", "refunded", 5_000)

    # Read your writes: the read models are asked for the position that the last command has reached.
    position = refunding.headers["Guilder-Position"]
    owed = await books(demo, position)
    assert sum(owed.values()) == 3_709
    balance = (await demo.get("/v1/balances", headers={"Guilder-Min-Position": position})).json()
    (own,) = [each for each in balance["balances"] if each["currency"] == CURRENCY]
    assert own["pending"] + own["available"] == 3_709
    assert (await demo.get(f"/v1/refunds/{refund['id']}")).json() == refund

    async with asyncio.timeout(AVAILABLE_WITHIN_S):
        while await books(demo, position) != {"merchant_pending": 0, "merchant_available": 3_709}:  # noqa: ASYNC110 - told over HTTP only
            await asyncio.sleep(0.2)
    intent = (await demo.get(f"/v1/payment_intents/{intent_id}")).json()
    amounts = {name: intent[f"amount_{name}"] for name in ("authorized", "captured", "released", "refunded")}
    assert amounts == {"authorized": 10_000, "captured": 9_000, "released": 1_000, "refunded": 5_000}
    assert (intent["status"], intent["amount_capturable"]) == ("partially_refunded", 0)

    trial = (await stranger.get(f"/v1/ledger/trial_balance?currency={CURRENCY}")).json()
    assert trial["balanced"] is True
    (whole,) = trial["currencies"]
    assert {account["code"]: account["balance"] for account in whole["accounts"]} == {
        "auth_hold": 0,
        "auth_contra": 0,
        "psp_receivable": 3_901,
        "psp_fee": 99,
        "merchant_pending": 0,
        "merchant_available": -3_709,
        "refund_in_transit": 0,
        "platform_fee": -291,
    }
    assert whole["debits"] == whole["credits"] > 20_000

    attempts = [attempt["id"] for attempt in intent["attempts"]]
    log = [line for line in await simulator_log(installation.psp_simulator) if line["reference"] in attempts]
    assert [(line["operation"], line["result"], line["amount"], line["fee"]) for line in log] == [
        ("payment", "authorized", 10_000, 0),
        ("capture", "captured", 6_000, 66),
        ("capture", "captured", 3_000, 33),
        ("void", "voided", 1_000, 0),
        ("refund", "refunded", 5_000, 0),
    ]


async def test_its_history_tells_every_step_with_one_operation_each(shop: Client) -> None:
    created = await shop.create(amount=5_000, authorize=True, payment_method=CARD, wait=30)
    assert (created.status_code, created.json()["status"]) == (201, "authorized")
    path = f"/v1/payment_intents/{created.json()['id']}"
    answer = await shop.get(f"{path}/events", headers={"Guilder-Min-Position": created.headers["Guilder-Position"]})
    events = answer.json()["data"]
    assert [event["type"] for event in events] == [
        "PaymentIntentCreated",
        "AuthorizationRequested",
        "PspAttemptStarted",
        "PaymentAuthorized",
    ]
    assert len({event["operation_id"] for event in events}) == 1


async def test_a_decline_is_an_answer_and_another_card_may_do(shop: Client) -> None:
    card = {"type": "card", "token": "tok_insufficient_funds"}
    declined = await shop.create(authorize=True, payment_method=card, capture_method="automatic", wait=30)
    assert (declined.status_code, declined.json()["status"]) == (201, "declined")
    assert declined.json()["last_payment_error"]["code"] == "insufficient_funds"
    paid = await shop.command(declined.json()["id"], "authorize", {"payment_method": CARD}, wait=30)
    assert (paid.status_code, paid.json()["status"]) == (200, "captured")
    assert paid.json()["last_payment_error"] is None
