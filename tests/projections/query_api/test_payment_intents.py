"""Lists, histories and refunds: what is found, in which order, and who may see it."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from projections.payments import Payments
from schemas.errors import (
    CursorInvalid,
    FilterUnknown,
    LivemodeMismatch,
    NotFound,
    PositionNotReached,
    ValidationFailed,
)
from schemas.events import SettlementDelaySet
from schemas.identifiers import Prefix, public_id
from schemas.timestamps import rfc3339
from tests.projections.history import START_MS, History, Payment, an_id, write_log
from tests.projections.query_api.conftest import OPERATOR, Api, Feed, merchant

LIST, EVENTS, REFUND = "/v1/payment_intents", "/v1/payment_intents/{id}/events", "/v1/refunds/{id}"


def public(stream: str, shard: int = 1) -> str:
    return public_id(Prefix.PAYMENT_INTENT, an_id(shard, stream))


NEWEST_FIRST = [public(name) for name in ("another", "created", "declined", "refunded", "paid")]


async def ids(api: Api, history: History, query: dict[str, str]) -> list[str]:
    found = await api.get(merchant(history.merchant_id), LIST, query)
    return [intent["id"] for intent in found["data"]]


async def test_a_list_is_newest_first_and_each_object_is_the_aggregates_own(api: Api, history: History) -> None:
    found = await api.get(merchant(history.merchant_id), LIST)
    assert [intent["id"] for intent in found["data"]] == NEWEST_FIRST
    assert (found["object"], found["has_more"], found["next_cursor"]) == ("list", False, None)
    for intent, name in zip(found["data"], ("another", "created", "declined", "refunded", "paid"), strict=True):
        state = payment_intent.initial()
        for recorded in history.recorded:
            if recorded.stream_id == an_id(1, name):
                state = payment_intent.evolve(state, recorded)
        assert intent == msgspec.json.decode(msgspec.json.encode(payment_intent.resource(state)))
    assert [intent["status"] for intent in found["data"]] == [
        "captured",
        "created",
        "declined",
        "partially_refunded",
        "captured",
    ]
    assert api.last.headers == {"Guilder-Position": f"1:{len(history.recorded)}"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"status": "captured"}, ["another", "paid"]),
        ({"status": "expired"}, []),
        ({"currency": "EUR"}, ["another", "created", "declined", "refunded", "paid"]),
        ({"currency": "USD"}, []),
        ({"reference": "order-7"}, ["another"]),
        ({"reference": "order"}, []),
        ({"status": "captured", "reference": "order-1"}, ["paid"]),
        ({"created_at[gte]": rfc3339(START_MS + 8000)}, ["another", "created", "declined", "refunded"]),
        ({"created_at[lt]": rfc3339(START_MS + 8000)}, ["paid"]),
        ({"created_at[gte]": rfc3339(START_MS + 8000), "created_at[lt]": rfc3339(START_MS + 8001)}, ["refunded"]),
    ],
)
async def test_filters(api: Api, history: History, query: dict[str, str], names: list[str]) -> None:
    assert await ids(api, history, query) == [public(name) for name in names]


async def test_cursors_page_through_everything_once(api: Api, history: History) -> None:
    seen, cursor = [], None
    for more in (True, True, False):
        page = await api.get(
            merchant(history.merchant_id), LIST, {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        )
        seen += [intent["id"] for intent in page["data"]]
        cursor = page["next_cursor"]
        assert (page["has_more"], cursor is not None) == (more, more)
    assert seen == NEWEST_FIRST


async def test_a_page_is_not_moved_by_what_is_created_meanwhile(own_api: Api, feed: Feed, history: History) -> None:
    first = await own_api.get(merchant(history.merchant_id), LIST, {"limit": "2"})
    await feed(history.add(Payment("latest").created(), stream="latest"))
    second = await own_api.get(merchant(history.merchant_id), LIST, {"limit": "2", "cursor": first["next_cursor"]})
    assert [intent["id"] for intent in second["data"]] == NEWEST_FIRST[2:4]


async def test_a_cursor_is_good_for_its_own_list_only(api: Api, history: History, neighbour: History) -> None:
    mine = merchant(history.merchant_id)
    cursor = (await api.get(mine, LIST, {"limit": "1"}))["next_cursor"]
    for principal, query in (
        (mine, {"cursor": cursor, "status": "captured"}),
        (merchant(neighbour.merchant_id), {"cursor": cursor}),
        (OPERATOR, {"cursor": cursor}),
        (mine, {"cursor": "AAAA"}),
        (mine, {"cursor": "not base64!"}),
        (mine, {"cursor": ""}),
        (mine, {"cursor": cursor[:-1]}),
        (mine, {"cursor": "é"}),
        (mine, {"cursor": "A" * 201}),
        (mine, {"cursor": cursor + "\0"}),
    ):
        with pytest.raises(CursorInvalid):
            await api.get(principal, LIST, query)


@pytest.mark.parametrize("name", ["amount", "amount[gte]", "created_at", "created_at[gt]", "livemode", "Status", ""])
async def test_an_unknown_filter_is_refused(api: Api, history: History, name: str) -> None:
    with pytest.raises(FilterUnknown):
        await api.get(merchant(history.merchant_id), LIST, ((name, "1"),))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "out_of_range"),
        ({"limit": "101"}, "out_of_range"),
        ({"limit": "-1"}, "out_of_range"),
        ({"limit": "1" * 5000}, "out_of_range"),
        ({"limit": "1.5"}, "not_integer"),
        ({"limit": "ten"}, "not_integer"),
        ({"limit": ""}, "not_integer"),
        ({"limit": "²"}, "not_integer"),
        ({"status": "paid"}, "bad_format"),
        ({"currency": "eur"}, "bad_currency"),
        ({"currency": "XAU"}, "bad_currency"),
        ({"reference": "x" * 81}, "too_long"),
        ({"reference": "\0"}, "bad_format"),
        ({"created_at[gte]": "yesterday"}, "bad_format"),
        ({"created_at[lt]": "2026-10-05T09:30:00"}, "bad_format"),
    ],
)
async def test_a_bad_value_names_its_parameter(api: Api, history: History, query: dict[str, str], code: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await ids(api, history, query)
    name = next(iter(query)).replace("__gte", "[gte]").replace("__lt", "[lt]")
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(name, code)]


async def test_a_parameter_stands_once(api: Api, history: History) -> None:
    with pytest.raises(ValidationFailed, match="twice"):
        await api.get(merchant(history.merchant_id), LIST, (("limit", "1"), ("limit", "2")))


async def test_merchants_see_their_own_the_operator_all(api: Api, history: History, neighbour: History) -> None:
    theirs = await api.get(merchant(neighbour.merchant_id), LIST)
    assert [intent["id"] for intent in theirs["data"]] == [public("theirs", 2)]
    assert await api.get(merchant(history.merchant_id, livemode=True), LIST) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "next_cursor": None,
    }
    everything = await api.get(OPERATOR, LIST, {"limit": "100"})
    assert [intent["id"] for intent in everything["data"]] == [public("theirs", 2), *NEWEST_FIRST]
    same_shard = merchant(an_id(1, "somebody else"))
    assert (await api.get(same_shard, LIST))["data"] == []


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


async def test_a_reader_waits_for_its_own_write(own_api: Api, feed: Feed, history: History) -> None:
    history.add(Payment("latest").created(), stream="latest")
    position = f"1:{len(history.recorded)}"
    own_api.services.max_wait_s = 30
    asking = asyncio.create_task(
        own_api.get(merchant(history.merchant_id), LIST, {"limit": "1"}, min_position=position)
    )
    await asyncio.sleep(0.1)
    assert not asking.done()
    await feed(history)
    assert [intent["id"] for intent in (await asking)["data"]] == [public("latest")]


async def test_a_position_that_does_not_come_is_refused_after_the_wait(api: Api, history: History) -> None:
    with pytest.raises(PositionNotReached):
        await api.get(merchant(history.merchant_id), LIST, min_position="1:99")
    # Another shard's position is of no consequence to this merchant's list.
    assert await api.get(merchant(history.merchant_id), LIST, min_position="3:99,1:2")


async def test_a_position_of_no_shard_is_refused(api: Api, history: History) -> None:
    for caller in (OPERATOR, merchant(history.merchant_id)):
        with pytest.raises(ValidationFailed) as refusal:
            await api.get(caller, LIST, min_position="1:1,4:1")
        assert [(error.pointer, error.code) for error in refusal.value.errors] == [
            ("Guilder-Min-Position", "out_of_range")
        ]


@pytest.mark.parametrize("text", ["", "12", "1:", ":1", "1:-2", "1:2,1:3", "a:b", "5000:1", "1:99999999999999999999"])
async def test_a_malformed_position_is_refused(api: Api, text: str) -> None:
    with pytest.raises(ValidationFailed):
        await api.get(OPERATOR, LIST, min_position=text)


async def test_a_list_follows_the_live_generation(own_api: Api, connection: Any, history: History) -> None:
    await connection.execute("SELECT create_payments_generation(2)")
    await connection.execute("UPDATE live SET generation = 2 WHERE projection = 'payments'")
    assert await ids(own_api, history, {}) == []
    assert own_api.last.headers == {"Guilder-Position": "1:0"}


async def test_the_query_api_cannot_write(api: Api) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await api.services.pool.execute("UPDATE live SET generation = 7")


async def test_a_state_survives_being_stored_in_the_middle_of_its_story(
    own_api: Api, database: str, connection: Any, history: History
) -> None:
    """One event a batch gives the same rows as the whole log in one."""
    await connection.execute("SELECT create_payments_generation(2)")
    for recorded in history.recorded:
        await Payments().apply(connection, "payments_2", [recorded])
    first, second = [
        await connection.fetch(f"SELECT * FROM payments_{number}.payment_intents WHERE shard = 1 ORDER BY position")
        for number in (1, 2)
    ]
    assert first == second


async def test_an_event_out_of_turn_is_refused(connection: Any, history: History) -> None:
    skipped = replace(history.recorded[3], version=5)
    with pytest.raises(AssertionError, match="is at 3, got version 5"):
        await Payments().apply(connection, "payments_1", [*history.recorded[:3], skipped])
