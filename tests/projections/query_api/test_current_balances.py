"""Balances of now: one query for all who ask, and none of what has not moved."""

import asyncio
from typing import Any

import asyncpg
import pytest

from projections.query_api.current_balances import CurrentBalances
from schemas.identifiers import Prefix, public_id
from tests.projections.history import History, Payment
from tests.projections.query_api.conftest import BALANCES, OPERATOR, Api, Feed, held, merchant


async def test_the_quick_answer_and_the_thorough_one_are_the_same(api: Api, history: History) -> None:
    mine = merchant(history.merchant_id)
    await api.get(mine, BALANCES)  # from here on the live generation is known
    quick = await api.get(mine, BALANCES)
    quick_headers = api.last.headers
    thorough = await api.get(mine, BALANCES, min_position="1:1")
    assert (quick, quick_headers) == (thorough, api.last.headers)


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_balance_follows_the_live_generation_at_once(
    own_api: Api, connection: Any, history: History, dropped: bool
) -> None:
    assert await held(own_api, history) == {"EUR": (6740, 0)}
    assert await held(own_api, history) == {"EUR": (6740, 0)}
    await connection.execute("SELECT create_ledger_generation(2)")
    await connection.execute("UPDATE live SET generation = 2 WHERE projection = 'ledger'")
    if dropped:
        await connection.execute("DROP SCHEMA ledger_1 CASCADE")
    assert await held(own_api, history) == {}
    assert own_api.last.headers == {"Guilder-Position": "1:0"}
    await connection.execute(
        "INSERT INTO checkpoints (projection, generation, shard, position) VALUES ('ledger', 2, 1, $1)",
        len(history.recorded),
    )
    # As far as the generation before it, and with other figures.
    assert await held(own_api, history) == {}
    assert own_api.last.headers == {"Guilder-Position": f"1:{len(history.recorded)}"}


async def test_balances_are_asked_for_with_one_query_at_a_time(
    own_api: Api, database: str, history: History, neighbour: History
) -> None:
    await held(own_api, history)  # from here on the live generation is known
    holder: Any = await asyncpg.connect(database)
    watcher: Any = await asyncpg.connect(database)
    asked = []
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE live IN ACCESS EXCLUSIVE MODE")
            for who in (history, neighbour, history, neighbour):
                asked.append(asyncio.create_task(held(own_api, who)))
                await asyncio.sleep(0.1)  # time enough for a query to reach the lock
            at_once = await watcher.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
    finally:
        await holder.close()
        await watcher.close()
    assert at_once == 1
    assert await asyncio.gather(*asked) == [{"EUR": (6740, 0)}, {"USD": (9680, 0)}] * 2


async def test_what_has_not_moved_is_not_read_again(
    own_api: Api, feed: Feed, connection: Any, history: History
) -> None:
    for _ in range(2):
        assert await held(own_api, history) == {"EUR": (6740, 0)}
    # Nobody may do this; it tells whether the balance was read.
    await connection.execute("UPDATE ledger_1.balances SET debits = debits + 40, credits = credits + 41")
    assert await held(own_api, history) == {"EUR": (6740, 0)}
    await feed(history.add(Payment("latest").created(), stream="latest"))
    assert await held(own_api, history) == {"EUR": (6741, 0)}
    assert own_api.last.headers == {"Guilder-Position": f"1:{len(history.recorded)}"}


async def test_a_generation_made_anew_under_the_same_number_is_another_one(
    own_api: Api, connection: Any, history: History
) -> None:
    """As after readers were led back to the one before, or in a database that was restored: other books, same position."""
    for _ in range(2):
        assert await held(own_api, history) == {"EUR": (6740, 0)}
    async with connection.transaction():
        await connection.execute("DROP SCHEMA ledger_1 CASCADE")
        await connection.execute("SELECT create_ledger_generation(1)")
        await connection.execute("DELETE FROM checkpoints WHERE projection = 'ledger' AND shard = 1")
        await connection.execute("INSERT INTO checkpoints VALUES ('ledger', 1, 1, $1)", len(history.recorded))
    assert await held(own_api, history) == {}


async def test_what_is_posted_is_in_the_next_answer(
    own_api: Api, feed: Feed, history: History, neighbour: History
) -> None:
    for _ in range(2):
        assert await held(own_api, history) == {"EUR": (6740, 0)}
        assert await held(own_api, neighbour) == {"USD": (9680, 0)}
    await feed(history.add(*Payment("latest", amount=1000).paid("order-8"), stream="latest"))
    assert await held(own_api, history) == {"EUR": (7420, 0)}
    assert await held(own_api, neighbour) == {"USD": (9680, 0)}


async def test_each_mode_is_kept_apart(own_api: Api, history: History) -> None:
    for _ in range(2):
        assert await held(own_api, history) == {"EUR": (6740, 0)}
        live = await own_api.get(merchant(history.merchant_id, livemode=True), BALANCES)
        assert live["balances"] == []
        both = await own_api.get(OPERATOR, BALANCES, {"merchant_id": public_id(Prefix.MERCHANT, history.merchant_id)})
        assert [row["livemode"] for row in both["balances"]] == [False]


async def test_so_many_answers_are_kept_and_no_more(own_api: Api, history: History, neighbour: History) -> None:
    own_api.services.kept_answers = 1
    await held(own_api, history)  # from here on the live generation is known
    asked = [(history.merchant_id, False), (neighbour.merchant_id, False)]
    reader = CurrentBalances(own_api.services)
    first = await reader(asked)
    assert list(reader._kept) == asked[1:]
    assert await reader(asked) == first
