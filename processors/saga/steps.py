"""The table of steps: insert once, claim with a lease, finish and go on in one statement. PostgreSQL only, no decisions."""

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from processors.saga.connections import lost_connections_are_outages

Kind = Literal["call", "inquiry", "reversal", "expiry", "availability"]

REVERSAL_UNDER_WAY: Final = "case_opened_reversal_under_way"
"""The result of a step that gave up on an attempt whose reversal was sent and not answered."""


class NewStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step to take at `due_at` (Unix ms); see the table's comments for the rest."""

    subject: UUID
    kind: Kind
    try_no: int
    round_no: int
    shard: int
    stream_id: UUID
    operation_id: UUID
    target: UUID | None
    cause_id: UUID
    traceparent: str | None
    in_doubt: bool
    due_at: int


class ClaimedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step that we hold until our lease ends; `epoch` proves it.

    `failures` counts how often it failed already.
    """

    subject: UUID
    kind: Kind
    try_no: int
    round_no: int
    shard: int
    stream_id: UUID
    operation_id: UUID
    target: UUID | None
    cause_id: UUID
    traceparent: str | None
    in_doubt: bool
    epoch: int
    failures: int


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a claimed step with what came of it, and the step that follows, if any."""

    step: ClaimedStep
    result: str
    following: NewStep | None


_NEW_ARRAYS: Final = (
    "$1::uuid[], $2::text[], $3::int[], $4::int[], $5::int[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[], "
    "$10::text[], $11::bool[], $12::bigint[]"
)
_COLUMNS: Final = (
    "subject, kind, try, round, shard, stream_id, operation_id, target, cause_id, traceparent, in_doubt, due_at"
)

SCHEDULE: Final = f"""
INSERT INTO steps ({_COLUMNS}, ready_at)
SELECT {_COLUMNS}, due_at FROM unnest({_NEW_ARRAYS}) AS fresh ({_COLUMNS})
"""  # noqa: S608 - only constants of this module
"""Of `as_arrays`; a step that stands already is a conflict."""

# A claim that finds an earlier one (its worker died, or failed) cannot know whether the PSP was called.
CLAIM: Final = """
WITH ready AS (
    SELECT subject, kind, try FROM steps
    WHERE finished_at IS NULL AND ready_at <= $1
    ORDER BY ready_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE steps s
SET lease_epoch = s.lease_epoch + 1, leased_by = $4, ready_at = $3,
    in_doubt = s.in_doubt OR (s.lease_epoch > 0 AND s.kind IN ('call', 'inquiry', 'reversal'))
FROM ready r
WHERE s.subject = r.subject AND s.kind = r.kind AND s.try = r.try
RETURNING s.subject, s.kind, s.try, s.round, s.shard, s.stream_id, s.operation_id, s.target, s.cause_id,
    s.traceparent, s.in_doubt, s.lease_epoch, s.failures
"""

# `coalesce` keeps the planner from joining with the index of all open steps, of which a week of expiries is a part.
FINISH: Final = f"""
WITH ended AS (
    SELECT * FROM unnest($13::uuid[], $14::text[], $15::int[], $16::int[], $17::text[])
        AS ended (subject, kind, try, epoch, result)
), finished AS (
    UPDATE steps s SET finished_at = $18, result = e.result, error = NULL
    FROM ended e
    WHERE s.subject = e.subject AND s.kind = e.kind AND s.try = e.try AND s.lease_epoch = e.epoch
        AND coalesce(s.finished_at, 0) = 0
    RETURNING s.subject, s.kind, s.try, s.lease_epoch
), following AS (
    INSERT INTO steps ({_COLUMNS}, ready_at)
    SELECT {", ".join("fresh." + column for column in _COLUMNS.split(", "))}, fresh.due_at
    FROM unnest({_NEW_ARRAYS}, $19::int[]) AS fresh ({_COLUMNS}, follows_epoch)
    JOIN finished f ON f.subject = fresh.subject AND f.try = fresh.try - 1 AND f.lease_epoch = fresh.follows_epoch
    ON CONFLICT DO NOTHING
)
SELECT subject, kind, try, lease_epoch FROM finished
"""  # noqa: S608 - only constants of this module

_FAIL: Final = """
UPDATE steps SET failures = failures + 1, error = $5, ready_at = $6, leased_by = NULL
WHERE subject = $1 AND kind = $2 AND try = $3 AND lease_epoch = $4 AND finished_at IS NULL
"""

_HELD: Final = """
SELECT true FROM steps
WHERE subject = $1 AND kind = $2 AND try = $3 AND lease_epoch = $4 AND finished_at IS NULL AND ready_at > $5
"""

_NEXT_READY: Final = "SELECT min(ready_at) FROM steps WHERE finished_at IS NULL"


async def schedule(connection: Any, steps: Sequence[NewStep]) -> None:
    """Insert `steps` within the caller's transaction; one that stands already stays as it is."""
    if steps:
        await connection.execute(f"{SCHEDULE} ON CONFLICT DO NOTHING", *as_arrays(steps))


class StepTable:
    """The steps through a pool of the service's role. Raises asyncpg's errors when PostgreSQL is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def claim(self, *, now_ms: int, limit: int, lease_until: int, holder: str) -> list[ClaimedStep]:
        """At most `limit` steps that are ready at `now_ms`, longest ready first, ours until `lease_until` (Unix ms).

        Steps that another transaction is claiming are passed over, so that any number of workers may ask at once.
        """
        with lost_connections_are_outages():
            rows = await self._pool.fetch(CLAIM, now_ms, limit, lease_until, holder)
        return [
            ClaimedStep(
                subject=row[0],
                kind=row[1],
                try_no=row[2],
                round_no=row[3],
                shard=row[4],
                stream_id=row[5],
                operation_id=row[6],
                target=row[7],
                cause_id=row[8],
                traceparent=row[9],
                in_doubt=row[10],
                epoch=row[11],
                failures=row[12],
            )
            for row in rows
        ]

    async def finish(self, endings: Sequence[Finish], *, now_ms: int) -> list[bool]:
        """End steps and insert what follows them, all or nothing; tells for each whether it was still ours to end.

        What follows a step has its subject and the next try number.
        """
        following = [(ending.following, ending.step.epoch) for ending in endings if ending.following is not None]
        keys = [(e.step.subject, e.step.kind, e.step.try_no, e.step.epoch) for e in endings]
        with lost_connections_are_outages():
            rows = await self._pool.fetch(
                FINISH,
                *as_arrays([step for step, _ in following]),
                [key[0] for key in keys],
                [key[1] for key in keys],
                [key[2] for key in keys],
                [key[3] for key in keys],
                [e.result for e in endings],
                now_ms,
                [epoch for _, epoch in following],
            )
        finished = {(row[0], row[1], row[2], row[3]) for row in rows}
        return [key in finished for key in keys]

    async def fail(self, step: ClaimedStep, *, error: str, ready_at: int) -> None:
        """Keep the error on the step, which may be claimed again at `ready_at`, unless it is no longer ours."""
        with lost_connections_are_outages():
            await self._pool.execute(_FAIL, step.subject, step.kind, step.try_no, step.epoch, error, ready_at)

    async def is_held(self, step: ClaimedStep, *, now_ms: int) -> bool:
        """Whether our lease on the step still runs."""
        with lost_connections_are_outages():
            held: bool | None = await self._pool.fetchval(
                _HELD, step.subject, step.kind, step.try_no, step.epoch, now_ms
            )
        return held is True

    async def next_ready_at(self) -> int | None:
        """When the next unfinished step may be claimed (Unix ms); null when there is none."""
        with lost_connections_are_outages():
            ready_at: int | None = await self._pool.fetchval(_NEXT_READY)
        return ready_at


def as_arrays(steps: Sequence[NewStep]) -> tuple[list[Any], ...]:
    """The twelve arguments of `SCHEDULE`, an array for each column."""
    return (
        [step.subject for step in steps],
        [step.kind for step in steps],
        [step.try_no for step in steps],
        [step.round_no for step in steps],
        [step.shard for step in steps],
        [step.stream_id for step in steps],
        [step.operation_id for step in steps],
        [step.target for step in steps],
        [step.cause_id for step in steps],
        [step.traceparent for step in steps],
        [step.in_doubt for step in steps],
        [step.due_at for step in steps],
    )
