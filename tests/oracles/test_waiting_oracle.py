"""The liveness oracle, shown operations that nobody looks after any more."""

from functools import reduce
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from schemas.events import LateSuccessReceived
from tests.oracles.psp import faults_of_waiting
from tests.projections.events import authorized
from tests.projections.history import History, Payment

PAID = Payment("paid")
WAITING = [PAID.created(), *PAID.authorizing()[:2]]
LATE = LateSuccessReceived(
    result=replace(authorized(10_000).result, operation_id=PAID.id("operation", 1), attempt_id=PAID.id("attempt", 1)),
    kind="hold",
    amount=10_000,
    psp_fee=None,
    told_status="declined",
)
UNDOING = [PAID.created(), *PAID.declining(), LATE]

STEP = """
    INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, cause_id, due_at, ready_at, finished_at)
    VALUES ($1, $2, 1, 1, 1, $1, $3, $1, 0, 0, $4)
"""


@pytest.mark.parametrize(("history", "fault"), [(WAITING, "hangs"), (UNDOING, "is not undone")])
@pytest.mark.parametrize(
    ("kind", "finished_at", "looked_after"),
    [(None, None, False), ("call", None, True), ("inquiry", None, True), ("call", 1, False), ("expiry", None, False)],
)
async def test_what_nobody_will_do_anything_about_is_seen(
    database: str, history: list[Any], fault: str, kind: str | None, finished_at: int | None, *, looked_after: bool
) -> None:
    recorded = History().add(*history, stream="paid").recorded
    state = reduce(payment_intent.evolve, recorded, payment_intent.initial())
    if kind is not None:
        connection: Any = await asyncpg.connect(database)
        try:
            await connection.execute(STEP, state.id, kind, PAID.id("operation", 1), finished_at)
        finally:
            await connection.close()
    found = await faults_of_waiting(database, [state])
    assert found == [] if looked_after else fault in found[0]
