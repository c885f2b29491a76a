"""Lists of payment intents: what is found, in which order, and who may see it."""

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
    ValidationFailed,
)
from schemas.timestamps import rfc3339
from tests.projections.events import START_MS, an_id
from tests.projections.history import History, Payment
from tests.projections.query_api.conftest import OPERATOR, Api, Feed, merchant, public

LIST = "/v1/payment_intents"


def finer(at_ms: int, digits: str) -> str:
    """A time with more digits than the milliseconds that are kept."""
    return rfc3339(at_ms).replace("Z", f"{digits}Z")


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
        # Finer than a millisecond: what was created at 8.000 s is before 8.0004 s, and not after it.
        ({"created_at[gte]": finer(START_MS + 8000, "4")}, ["another", "created", "declined"]),
        ({"created_at[lt]": finer(START_MS + 8000, "4")}, ["refunded", "paid"]),
        ({"created_at[lt]": finer(START_MS + 8000, "0000")}, ["paid"]),
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
