"""The ledger over HTTP: accounts, entries, trial balance and balances, now and as of any position or time."""

from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from projections.checkpoints import apply_to_live
from projections.ledger import Ledger
from projections.query_api import QueryServices
from schemas.errors import FilterUnknown, MerchantMismatch, NotFound, PositionNotReached, ValidationFailed
from schemas.events import RefundFailed
from schemas.identifiers import Prefix, public_id
from schemas.timestamps import rfc3339
from tests.conftest import TEST_SHARDS
from tests.projections.events import DECLINE, START_MS, an_id, available, lot_available, refund_requested, result
from tests.projections.history import History, Payment, worked_case, write_log
from tests.projections.query_api.conftest import BALANCES, OPERATOR, Api, Feed, held, merchant

ACCOUNTS, ENTRIES = "/v1/ledger/accounts", "/v1/ledger/accounts/{id}/entries"
TRIAL_BALANCE = "/v1/ledger/trial_balance"
SHARDS = "0:0,1:{},2:7,3:0"


async def test_balances_are_what_the_merchant_is_owed(api: Api, history: History, neighbour: History) -> None:
    # Paid 2000, 10000 and 700, each less 320; 5000 of the second went back.
    assert await held(api, history) == {"EUR": (6740, 0)}
    assert api.last.headers == {"Guilder-Position": f"1:{len(history.recorded)}"}
    assert await held(api, neighbour) == {"USD": (9680, 0)}
    assert await api.get(merchant(an_id(1, "somebody else")), BALANCES) == {
        "object": "balance",
        "merchant_id": public_id(Prefix.MERCHANT, an_id(1, "somebody else")),
        "as_of": f"1:{len(history.recorded)}",
        "effective_as_of": None,
        "balances": [],
    }
    assert (await api.get(merchant(history.merchant_id, livemode=True), BALANCES))["balances"] == []


@pytest.mark.parametrize(
    ("position", "pending"),
    [(0, None), (6, None), (7, 1680), (8, 1680), (14, 11360), (15, 6360), (17, 6360), (26, 6360), (29, 6740)],
)
async def test_balances_as_of_a_position_and_of_its_time_agree(
    api: Api, history: History, position: int, pending: int | None
) -> None:
    expected = {} if pending is None else {"EUR": (pending, 0)}
    assert await held(api, history, as_of=f"1:{position}") == expected
    for later_ms in (0, 999):
        text = rfc3339(START_MS + position * 1000 + later_ms)
        found = await api.get(merchant(history.merchant_id), BALANCES, {"as_of": text})
        assert found["as_of"] == f"1:{position}"
        assert {row["currency"]: (row["pending"], row["available"]) for row in found["balances"]} == expected


async def test_effect_is_asked_apart_from_knowledge(api: Api, history: History) -> None:
    # Each event took effect a quarter of a second before it was recorded.
    effective = START_MS + 7000 - 250
    assert await held(api, history, effective_as_of=rfc3339(effective)) == {"EUR": (1680, 0)}
    assert await held(api, history, effective_as_of=rfc3339(effective - 1)) == {"EUR": (0, 0)}
    assert await held(api, history, as_of="1:6", effective_as_of=rfc3339(effective)) == {}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
@pytest.mark.parametrize("parameter", ["as_of", "effective_as_of"])
async def test_a_time_of_no_year_of_four_digits_is_refused(api: Api, parameter: str, text: str) -> None:
    with pytest.raises(ValidationFailed):
        await api.get(OPERATOR, TRIAL_BALANCE, {parameter: text})


async def test_the_operator_names_the_merchant(api: Api, history: History, neighbour: History) -> None:
    named = {"merchant_id": public_id(Prefix.MERCHANT, history.merchant_id)}
    assert (await api.get(OPERATOR, BALANCES, named))["balances"] == [
        {"livemode": False, "currency": "EUR", "pending": 6740, "available": 0}
    ]
    assert await api.get(merchant(history.merchant_id), BALANCES, named)
    with pytest.raises(MerchantMismatch):
        await api.get(merchant(neighbour.merchant_id), BALANCES, named)
    for query in ({}, {"merchant_id": "mer_1"}, {"merchant_id": public_id(Prefix.MERCHANT, an_id(4000, "far"))}):
        with pytest.raises(ValidationFailed):
            await api.get(OPERATOR, BALANCES, query)


async def test_the_trial_balance_is_zero_whole_and_in_each_shard(api: Api) -> None:
    found = await api.get(OPERATOR, TRIAL_BALANCE)
    assert found["balanced"] is True
    assert found["as_of"] == SHARDS.format(29)
    euro, dollar = found["currencies"]
    assert (euro["currency"], euro["debits"], euro["credits"], euro["difference"]) == ("EUR", *[euro["debits"]] * 2, 0)
    assert {row["code"]: row["balance"] for row in euro["accounts"]} == {
        "auth_hold": 0,
        "auth_contra": 0,
        "psp_receivable": 7370,
        "psp_fee": 330,
        "merchant_pending": -6740,
        "refund_in_transit": 0,
        "platform_fee": -960,
    }
    assert (dollar["currency"], dollar["difference"]) == ("USD", 0)
    assert [(row["shard"], row["position"], row["currency"], row["difference"]) for row in found["shards"]] == [
        (1, "1:29", "EUR", 0),
        (2, "2:7", "USD", 0),
    ]
    assert [row["currency"] for row in (await api.get(OPERATOR, TRIAL_BALANCE, {"currency": "USD"}))["currencies"]] == [
        "USD"
    ]


async def test_the_trial_balance_is_zero_at_every_position(api: Api) -> None:
    turnovers = []
    for position in range(30):
        found = await api.get(OPERATOR, TRIAL_BALANCE, {"as_of": SHARDS.format(position)})
        assert found["balanced"] is True
        assert found["as_of"] == SHARDS.format(position)
        turnovers.append(sum(row["debits"] for row in found["currencies"] if row["currency"] == "EUR"))
    assert turnovers == sorted(turnovers)
    assert turnovers[0] == 0
    assert turnovers[-1] == (await api.get(OPERATOR, TRIAL_BALANCE))["currencies"][0]["debits"]


async def test_a_trial_balance_that_is_off_says_so(own_api: Api, database: str) -> None:
    owner: Any = await asyncpg.connect(database)
    await owner.execute(
        "UPDATE ledger_1.balances SET debits = debits + 1 WHERE ctid = (SELECT min(ctid) FROM ledger_1.balances)"
    )
    await owner.close()
    assert (await own_api.get(OPERATOR, TRIAL_BALANCE))["balanced"] is False


async def test_an_answer_as_of_names_every_shard_it_covers(api: Api) -> None:
    with pytest.raises(ValidationFailed, match="leaves out"):
        await api.get(OPERATOR, TRIAL_BALANCE, {"as_of": "1:5"})
    for text in ("soon", "1-5", "2026-10-05"):
        with pytest.raises(ValidationFailed):
            await api.get(OPERATOR, TRIAL_BALANCE, {"as_of": text})


async def test_an_answer_as_of_names_no_shard_that_is_not_there(api: Api, history: History) -> None:
    with pytest.raises(ValidationFailed, match=r"as_of: names shards that are not there: \[4095\]"):
        await api.get(merchant(history.merchant_id), BALANCES, {"as_of": "1:5,4095:5"})
    # One that the answer does not cover is of no consequence.
    found = await api.get(merchant(history.merchant_id), BALANCES, {"as_of": "0:0,1:5"})
    assert found["as_of"] == "1:5"


async def test_a_position_to_come_is_waited_for_not_guessed(api: Api, history: History) -> None:
    with pytest.raises(PositionNotReached):
        await api.get(merchant(history.merchant_id), BALANCES, {"as_of": "1:30"})


async def test_what_the_log_knew_and_the_ledger_has_not_posted_is_waited_for(
    own_api: Api, database: str, feed: Feed, history: History
) -> None:
    lot = replace(lot_available("lot", 380), capture_id=Payment("another", amount=700).id("capture"))
    history.add(lot, stream="another")
    await write_log(database, history.recorded[-1:])
    now = rfc3339(START_MS + 30_000)
    with pytest.raises(PositionNotReached):
        await held(own_api, history, as_of=now)
    await feed(history)
    assert await held(own_api, history, as_of=now) == {"EUR": (6360, 380)}


async def test_a_merchant_sees_its_own_accounts_the_operator_all(
    api: Api, history: History, neighbour: History
) -> None:
    party = public_id(Prefix.MERCHANT, history.merchant_id)
    mine = await api.get(merchant(history.merchant_id), ACCOUNTS)
    assert [(row["code"], row["party"], row["balance"]) for row in mine["data"]] == [("merchant_pending", party, -6740)]
    everything = await api.get(OPERATOR, ACCOUNTS, {"limit": "100"})
    assert [row["shard"] for row in everything["data"]] == [1] * 7 + [2] * 6
    assert [row["code"] for row in everything["data"]][:3] == ["auth_hold", "auth_contra", "psp_receivable"]
    narrowed = await api.get(OPERATOR, ACCOUNTS, {"code": "psp_fee", "currency": "USD"})
    assert [(row["code"], row["currency"], row["debits"]) for row in narrowed["data"]] == [("psp_fee", "USD", 110)]
    assert (await api.get(merchant(neighbour.merchant_id), ACCOUNTS, {"code": "psp_fee"}))["data"] == []
    past = await api.get(merchant(history.merchant_id), ACCOUNTS, {"as_of": "1:7"})
    assert [row["balance"] for row in past["data"]] == [-1680]
    with pytest.raises(FilterUnknown):
        await api.get(OPERATOR, ACCOUNTS, {"party": party})


async def test_a_list_as_of_a_time_states_the_positions_it_holds_for(api: Api, history: History) -> None:
    mine = merchant(history.merchant_id)
    account = (await api.get(mine, ACCOUNTS))["data"][0]
    assert "Guilder-As-Of" not in api.last.headers
    at_seven = {"as_of": rfc3339(START_MS + 7000)}
    read_model = f"1:{len(history.recorded)}"
    for path, named in ((ACCOUNTS, None), (ENTRIES, account["id"]), (BALANCES, None)):
        await api.get(mine, path, at_seven, named=named)
        assert api.last.headers == {"Guilder-Position": read_model, "Guilder-As-Of": "1:7"}
    await api.get(OPERATOR, ACCOUNTS, at_seven)
    assert api.last.headers["Guilder-As-Of"].startswith("0:0,1:7,2:")


async def test_accounts_page_in_the_order_they_were_opened(api: Api) -> None:
    whole = (await api.get(OPERATOR, ACCOUNTS, {"limit": "100"}))["data"]
    seen: list[Any] = []
    query = {"limit": "5"}
    for _ in range(3):
        page = await api.get(OPERATOR, ACCOUNTS, query)
        seen += page["data"]
        query["cursor"] = page["next_cursor"]
    assert seen == whole
    assert page["has_more"] is False


async def test_entries_tell_how_a_balance_came_about(api: Api, history: History, neighbour: History) -> None:
    mine = merchant(history.merchant_id)
    account = (await api.get(mine, ACCOUNTS))["data"][0]
    entries = (await api.get(mine, ENTRIES, named=account["id"]))["data"]
    assert [(e["position"], e["side"], e["amount"], e["balance_after"], e["rule"]) for e in entries] == [
        ("1:7", "credit", 2000, -2000, "capture"),
        ("1:7", "debit", 320, -1680, "platform_fee"),
        ("1:14", "credit", 10000, -11680, "capture"),
        ("1:14", "debit", 320, -11360, "platform_fee"),
        ("1:15", "debit", 5000, -6360, "funding"),
        ("1:29", "credit", 700, -7060, "capture"),
        ("1:29", "debit", 320, -6740, "platform_fee"),
    ]
    assert entries[0]["payment_intent_id"] == public_id(Prefix.PAYMENT_INTENT, an_id(1, "paid"))
    assert (entries[0]["event_type"], entries[0]["recorded_at"]) == ("PaymentCaptured", rfc3339(START_MS + 7000))
    assert entries[-1]["balance_after"] == account["balance"]

    first = await api.get(mine, ENTRIES, {"limit": "4"}, named=account["id"])
    second = await api.get(mine, ENTRIES, {"limit": "4", "cursor": first["next_cursor"]}, named=account["id"])
    assert first["data"] + second["data"] == entries
    assert (await api.get(mine, ENTRIES, {"as_of": "1:14"}, named=account["id"]))["data"] == entries[:4]

    for stranger in (
        merchant(neighbour.merchant_id),
        merchant(an_id(1, "other")),
        merchant(history.merchant_id, livemode=True),
    ):
        with pytest.raises(NotFound):
            await api.get(stranger, ENTRIES, named=account["id"])
    assert (await api.get(OPERATOR, ENTRIES, named=account["id"]))["data"] == entries


async def test_the_platforms_accounts_are_not_a_merchants(api: Api, history: History) -> None:
    platform = (await api.get(OPERATOR, ACCOUNTS, {"code": "platform_fee", "currency": "EUR"}))["data"][0]
    with pytest.raises(NotFound):
        await api.get(merchant(history.merchant_id), ENTRIES, named=platform["id"])
    for named in (
        "acc_1",
        public_id(Prefix.LEDGER_ACCOUNT, an_id(1, "none")),
        public_id(Prefix.LEDGER_ACCOUNT, an_id(4000, "far")),
    ):
        with pytest.raises(NotFound):
            await api.get(OPERATOR, ENTRIES, named=named)


async def test_a_reversal_leads_back_to_what_it_reversed(database: str, connection: Any) -> None:
    history = worked_case().add(
        refund_requested("again", available(120)),
        RefundFailed(
            result=result("again"),
            decline=DECLINE,
            refund_id=an_id(1, "refund", "again"),
            amount=120,
            restored=(available(120),),
        ),
    )
    async with connection.transaction():
        await apply_to_live(connection, [Ledger()], {1: history.recorded})
    services = await QueryServices.open(database, shards=TEST_SHARDS)
    try:
        api = Api(services)
        account = (await api.get(merchant(history.merchant_id), ACCOUNTS, {"code": "merchant_available"}))["data"][0]
        entries = (await api.get(merchant(history.merchant_id), ENTRIES, named=account["id"]))["data"]
    finally:
        await services.close()
    assert [(e["position"], e["rule"], e["balance_after"], e["reverses"]) for e in entries] == [
        ("1:7", "available", -796, None),
        ("1:8", "available", -3709, None),
        ("1:9", "funding", -3589, None),
        ("1:10", "restored", -3709, "1:9"),
    ]
