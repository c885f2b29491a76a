"""Dead letters as an operator meets them: listed, shown, and let go on."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner

from bootstrap.cli.dead_letters import app
from processors.dead_letters import LISTED, DeadLetter, NoSuchLetter, dead_letters, find, redrive
from schemas.identifiers import Prefix, public_id, uuid7
from schemas.timestamps import rfc3339

AT_MS = 1_760_000_000_000
NOW_MS = AT_MS + 5000


def an_id(number: int) -> UUID:
    return uuid7(2, AT_MS, number.to_bytes(8))


CASE = public_id(Prefix.CASE, an_id(1))
STEP = f"step/call/{an_id(5)}/2"
SHARD = "shard/projector/3"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    """A database with a halted shard, a failed step, and a case whose attempt has ended its last step."""
    async with asyncpg.create_pool(database, min_size=1, max_size=2, server_settings={"role": "guilder_app"}) as pool:
        await pool.execute("INSERT INTO halted_shards VALUES ('projector', 3, 17, 'ValueError: odd', $1)", AT_MS)
        insert = """
            INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, cause_id, due_at, ready_at,
                               failures, error, finished_at)
            VALUES ($1, $2, 2, 1, 2, $3, $4, $3, $5::bigint, $5::bigint + 60000, $6, $7, $8)
        """
        await pool.execute(insert, an_id(5), "call", an_id(2), an_id(3), AT_MS, 4, "TypeError: no", None)
        await pool.execute(insert, an_id(6), "inquiry", an_id(2), an_id(3), AT_MS, 0, None, AT_MS)
        await pool.execute(
            "INSERT INTO saga_cases VALUES ($1, 2, 9, $2, $3, $4, $5, 1200, 'EUR', 'no answer', $6)",
            an_id(1), an_id(2), an_id(6), an_id(3), an_id(7), AT_MS,
        )  # fmt: skip
        yield pool


async def guilder(database: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `guilder dead-letters …`."""
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"GUILDER_POSTGRES__DSN": database})
    return done.exit_code, done.output


async def test_all_three_kinds_are_listed_with_why(pool: Any) -> None:
    letters = await dead_letters(pool)
    assert [(letter.address, letter.kind, letter.why) for letter in letters] == [
        (SHARD, "halted shard", "ValueError: odd"),
        (STEP, "failed step", "TypeError: no"),
        (CASE, "open case", "no answer (1200 minor units of EUR at stake)"),
    ]


async def test_a_halted_shard_goes_on_by_losing_its_row(pool: Any) -> None:
    assert await redrive(pool, SHARD, now_ms=NOW_MS)
    assert await pool.fetchval("SELECT count(*) FROM halted_shards") == 0
    with pytest.raises(NoSuchLetter):
        await redrive(pool, SHARD, now_ms=NOW_MS)


async def test_a_failed_step_is_tried_again_at_once(pool: Any) -> None:
    assert await redrive(pool, STEP, now_ms=NOW_MS)
    assert await pool.fetchval("SELECT ready_at FROM steps WHERE subject = $1", an_id(5)) == NOW_MS


async def test_about_a_case_the_psp_is_asked_again(pool: Any) -> None:
    assert await redrive(pool, CASE, now_ms=NOW_MS)
    asked = await pool.fetchrow("SELECT kind, try, ready_at FROM steps WHERE subject = $1 AND try = 3", an_id(6))
    assert dict(asked) == {"kind": "inquiry", "try": 3, "ready_at": NOW_MS}
    assert not await redrive(pool, CASE, now_ms=NOW_MS), "it is being asked about already"


async def test_an_address_of_nothing_is_refused(pool: Any) -> None:
    for address in (
        "shard/projector/4",
        "step/call/x/1",
        STEP[:-1] + "3",
        "case_0",
        CASE[:-1] + "Z",
        "",
        "nonsense",
        "a/b/c/d/e",
    ):
        with pytest.raises(NoSuchLetter):
            await find(pool, address)


async def test_what_a_list_has_no_room_for_is_found_and_redriven_all_the_same(pool: Any, database: str) -> None:
    many = """
        WITH many AS (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)), stepped AS (
            INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, cause_id, due_at, ready_at, error)
            SELECT id, 'call', 1, 1, 0, id, id, id, 1, 1, 'TypeError: no' FROM many
        )
        INSERT INTO saga_cases SELECT id, 0, 1, id, id, id, id, 1, 'EUR', 'older', 1 FROM many
    """
    await pool.execute(many, LISTED)
    listed = {letter.address for letter in await dead_letters(pool)}
    assert len(listed) == 1 + 2 * LISTED
    assert not {STEP, CASE} & listed
    for address in (STEP, CASE):
        assert (await find(pool, address)).address == address
        assert await redrive(pool, address, now_ms=NOW_MS)
    _, output = await guilder(database, "list")
    assert f"only the first {LISTED} each are listed" in output


async def test_what_is_settled_while_all_is_redriven_keeps_nothing_from_being_redriven(
    pool: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def then_settled(of: Any) -> list[DeadLetter]:
        letters = await dead_letters(of)
        await of.execute("DELETE FROM halted_shards")
        return letters

    monkeypatch.setattr("bootstrap.cli.dead_letters.dead_letters", then_settled)
    assert await guilder(database, "redrive", "--all") == (
        0,
        f"{SHARD}  is settled already\n{STEP}  redriven\n{CASE}  redriven\n",
    )


async def test_the_command_line_lists_shows_and_redrives(pool: Any, database: str) -> None:
    code, output = await guilder(database, "list", "--json")
    assert code == 0
    assert [letter["address"] for letter in json.loads(output)] == [SHARD, STEP, CASE]
    code, output = await guilder(database, "list")
    assert code == 0
    assert "halted" in output
    code, output = await guilder(database, "show", SHARD)
    assert code == 0
    assert "position    17\n" in output
    assert "reason      ValueError: odd\n" in output
    assert f"since       {rfc3339(AT_MS)}\n" in output
    assert await guilder(database, "redrive", "--all") == (
        0,
        f"{SHARD}  redriven\n{STEP}  redriven\n{CASE}  redriven\n",
    )
    code, output = await guilder(database, "show", SHARD)
    assert code == 1
    assert f"there is no dead letter {SHARD}" in output
    assert (await guilder(database, "redrive"))[0] == 2


@pytest.mark.parametrize("columns", [40, 80, 200])
async def test_addresses_are_listed_whole_however_narrow_the_terminal(
    pool: Any, database: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    await pool.execute("UPDATE halted_shards SET reason = 'KeyError: [red] was not expected here, nor anything else'")
    _, output = await guilder(database, "list")
    listed = [line.split()[0] for line in output.splitlines() if line.split()]
    assert {SHARD, STEP, CASE} <= set(listed)
    assert "…" not in output
    assert "[red]" in output or columns < 80, "a reason is no markup"


async def test_the_command_line_shows_ids_and_times_as_the_api_does(pool: Any, database: str) -> None:
    code, output = await guilder(database, "show", CASE, "--json")
    assert code == 0
    case = json.loads(output)["details"]
    assert case["case_id"] == CASE
    assert case["payment_intent_id"] == public_id(Prefix.PAYMENT_INTENT, an_id(2))
    assert case["attempt_id"] == public_id(Prefix.ATTEMPT, an_id(6))
    assert case["operation_id"] == public_id(Prefix.OPERATION, an_id(3))
    assert case["opened_at"] == rfc3339(AT_MS)
    code, output = await guilder(database, "show", STEP)
    assert code == 0
    shown = dict(line.split(maxsplit=1) for line in output.splitlines())
    assert shown["attempt_id"] == public_id(Prefix.ATTEMPT, an_id(5))
    assert shown["ready_at"] == rfc3339(AT_MS + 60_000)


async def test_the_command_line_says_when_there_is_nothing(database: str) -> None:
    for verb in (("list",), ("redrive", "--all")):
        assert await guilder(database, *verb) == (0, "nothing is halted, failed or open\n")
