"""Cases in the saga's tables: open there exactly as long as the aggregate holds them open."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from aggregates.payment_intent.commands import Command, OpenCase
from processors.saga import redrive
from processors.saga.cases import follow_cases
from processors.saga.connections import open_pool
from tests.aggregates.commands import approved, create, named, refused, start
from tests.aggregates.scenario import given
from tests.projections.history import as_record

BEGUN: list[Command] = [create(authorize="authorize"), start("authorize", "authorize")]
UNDO = start("authorize", "reversal", attempt="undo", undoes="authorize.1")
EVERYTHING_TRIED = OpenCase(case_id=named("case"), attempt_id=named("authorize.1"), reason="all was tried")


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(database)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("commands", "open_cases"),
    [
        pytest.param([EVERYTHING_TRIED], 1, id="waits for an answer"),
        pytest.param([EVERYTHING_TRIED, approved("authorize", 9_999)], 2, id="two at once"),
        pytest.param([EVERYTHING_TRIED, approved("authorize", 9_999), refused("authorize")], 0, id="answered"),
        pytest.param(
            [approved("authorize", 10_000), refused("authorize"), approved("authorize", 10_000, psp_reference="pay_2")],
            2,
            id="two contradictions",
        ),
        pytest.param(
            [refused("authorize"), approved("authorize", 12_000), approved("authorize", 10_000)],
            1,
            id="a late success of another amount is no answer to the first",
        ),
        pytest.param(
            [
                refused("authorize"),
                approved("authorize", 10_000),
                UNDO,
                refused("authorize", attempt="undo"),
                approved("authorize", 10_000, attempt="undo"),
            ],
            0,
            id="undone after all",
        ),
    ],
)
async def test_the_table_and_the_aggregate_agree_on_what_is_open(
    pool: asyncpg.Pool, commands: list[Command], open_cases: int
) -> None:
    scenario = given(BEGUN, commands)
    await follow_cases(pool, [as_record(recorded) for recorded in scenario.history])
    listed = {case.case_id for case in await redrive.open_cases(pool)}
    assert listed == set(scenario.state.open_cases)
    assert len(listed) == open_cases
