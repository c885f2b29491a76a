"""What the runbook tells an operator to type does what it says."""

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from processors.rebuild import open_pool
from tests.bootstrap.cli.conftest import Shell
from tests.processors.rebuild.conftest import Log, paid_history

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
DAY_MS = 86_400_000
STEP = """
    INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, cause_id, due_at, ready_at, finished_at)
    VALUES (gen_random_uuid(), 'call', 1, 1, 0, $1, $1, $1, 0, 0, $2)
"""
CASE = """
    INSERT INTO saga_cases (case_id, shard, position, stream_id, attempt_id, event_id, exposure, currency, reason, opened_at)
    VALUES ($1, 0, 1, $1, $1, $1, 1, 'EUR', 'nobody knows', 0)
"""


async def test_old_steps_of_payments_at_rest_may_go_and_no_others(database: str) -> None:
    told = re.findall(r"```sql\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    (statement,) = [each for each in told if "DELETE FROM steps" in each]
    now_ms = SYSTEM_CLOCK.now_ms()
    long_ago, lately = now_ms - 500 * DAY_MS, now_ms - DAY_MS
    at_rest, under_way, asked_about = UUID(int=1), UUID(int=2), UUID(int=3)
    connection: Any = await asyncpg.connect(database)
    try:
        steps = [
            (at_rest, long_ago),
            (at_rest, lately),
            (under_way, long_ago),
            (under_way, None),
            (asked_about, long_ago),
        ]
        await connection.executemany(STEP, steps)
        await connection.execute(CASE, asked_about)
        await connection.execute(statement)
        left = await connection.fetch("SELECT stream_id, finished_at FROM steps")
    finally:
        await connection.close()
    assert {tuple(row) for row in left} == set(steps[1:])


async def test_read_models_that_were_set_back_go_on_by_what_it_says(database: str, tmp_path: Path) -> None:
    _, _, section = RUNBOOK.read_text(encoding="utf-8").partition("## A checkpoint was set back")
    commands = re.findall(r"^\$ \./guilder (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    assert len(commands) == 3
    shell = Shell(database, str(tmp_path))
    pool = await open_pool(database)
    try:
        log = Log(database, pool)
        history = paid_history(3, payments=3)
        await log.write(history)
        await pool.execute("UPDATE checkpoints SET position = 2 WHERE shard = 3")
        with pytest.raises((AssertionError, asyncpg.UniqueViolationError)):
            await log.apply(3, history.recorded[2:])
        for command in commands:
            code, _, err = await asyncio.to_thread(shell.run, *command.split())
            assert code == 0, err
        assert await log.apply(3, history.recorded[2:]) == len(history.recorded)
    finally:
        await pool.close()
    code, _, err = await asyncio.to_thread(shell.run, "ledger", "verify")
    assert code == 0, err
