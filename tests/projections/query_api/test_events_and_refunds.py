"""What is found by its id: the events of a payment intent, page by page, and a refund; and who may see it."""

import pytest

from schemas.errors import LivemodeMismatch, NotFound
from schemas.events import SettlementDelaySet
from schemas.identifiers import Prefix, public_id
from schemas.timestamps import rfc3339
from tests.projections.events import START_MS, an_id
from tests.projections.history import History, Payment, write_log
from tests.projections.query_api.conftest import OPERATOR, Api, Feed, merchant, public

EVENTS, REFUND = "/v1/payment_intents/{id}/events", "/v1/refunds/{id}"


async def test_a_history_is_every_event_from_the_first(api: Api, history: History) -> None:
    mine = merchant(history.merchant_id)
    found = await api.get(mine, EVENTS, {"limit": "100"}, named=public("refunded"))
    assert [event["type"] for event in found["data"]] == [
        "PaymentIntentCreated",
        "AuthorizationRequested",
        "PspAttemptStarted",
        "PaymentAuthorized",
        "CaptureRequested",
        "PspAttemptStarted",
        "PaymentCaptured",
        "RefundRequested",
        "PspAttemptStarted",
        "PaymentRefunded",
    ]
    assert [event["version"] for event in found["data"]] == list(range(1, 11))
    assert [event["position"] for event in found["data"]] == [f"1:{position}" for position in range(8, 18)]
    assert found["data"][4]["data"] == {
        "operation_id": public_id(Prefix.OPERATION, Payment("refunded").id("operation", 2)),
        "capture_id": public_id(Prefix.CAPTURE, Payment("refunded").id("capture")),
        "amount": 10000,
        "final": True,
    }
    assert found["data"][6]["data"]["available_on"] == rfc3339(START_MS + 86_400_000)


async def test_a_history_pages(api: Api, history: History) -> None:
    mine, seen, cursor = merchant(history.merchant_id), [], None
    while True:
        query = {"limit": "4"} | ({} if cursor is None else {"cursor": cursor})
        page = await api.get(mine, EVENTS, query, named=public("refunded"))
        seen += [event["version"] for event in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert seen == list(range(1, 11))


async def test_a_history_keeps_back_what_could_be_charged(api: Api, history: History) -> None:
    found = await api.get(merchant(history.merchant_id), EVENTS, {"limit": "100"}, named=public("paid"))
    text = str(found)
    assert "tok_ok" not in text
    assert "psp_idempotency_key" not in text
    assert "sha256" not in text


async def test_a_refund_is_found_by_its_own_id(api: Api, history: History) -> None:
    refund = public_id(Prefix.REFUND, Payment("refunded").id("refund"))
    found = await api.get(merchant(history.merchant_id), REFUND, named=refund)
    assert (found["id"], found["status"], found["amount"]) == (refund, "refunded", 5000)
    assert found["payment_intent_id"] == public("refunded")
    assert await api.get(OPERATOR, REFUND, named=refund.lower().replace("RE_", "re_")) == found


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        (EVENTS, public("paid")),
        (REFUND, public_id(Prefix.REFUND, Payment("refunded").id("refund"))),
    ],
)
async def test_another_merchants_object_does_not_exist(
    api: Api, neighbour: History, path: str, identifier: str, history: History
) -> None:
    for stranger in (merchant(neighbour.merchant_id), merchant(an_id(1, "somebody else"))):
        with pytest.raises(NotFound):
            await api.get(stranger, path, named=identifier)
    with pytest.raises(LivemodeMismatch):
        await api.get(merchant(history.merchant_id, livemode=True), path, named=identifier)
    assert await api.get(OPERATOR, path, named=identifier)


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        (EVENTS, public("nobody")),
        (EVENTS, public("nobody", 3)),
        (EVENTS, public("nobody", 4000)),
        (EVENTS, "pi_1"),
        (EVENTS, "re_00000000000000000000000000"),
        (REFUND, public_id(Prefix.REFUND, an_id(1, "nothing"))),
        (REFUND, public_id(Prefix.REFUND, an_id(4000, "nothing"))),
        (REFUND, "pi_00000000000000000000000000"),
        (REFUND, ""),
    ],
)
async def test_what_is_not_there_is_not_found(api: Api, path: str, identifier: str) -> None:
    with pytest.raises(NotFound):
        await api.get(OPERATOR, path, named=identifier)


async def test_a_merchants_stream_is_no_payment_intent(
    own_api: Api, database: str, history: History, feed: Feed
) -> None:
    history.add(SettlementDelaySet(delay_s=5), stream="merchant")
    await write_log(database, history.recorded[-1:])
    await feed(history)
    with pytest.raises(NotFound):
        await own_api.get(OPERATOR, EVENTS, named=public("merchant"))
