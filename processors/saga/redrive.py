"""What the saga could not do by itself, for `guilder dead-letters`: failed steps and open cases, listed and tried again."""

from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from processors.saga.steps import REVERSAL_UNDER_WAY, Kind

_FAILED: Final = """
SELECT subject, kind, try, shard, stream_id, operation_id, failures, error, ready_at FROM steps
WHERE finished_at IS NULL AND error IS NOT NULL ORDER BY shard, ready_at LIMIT $1
"""
_FAILED_OF: Final = """
SELECT subject, kind, try, shard, stream_id, operation_id, failures, error, ready_at FROM steps
WHERE subject = $1 AND finished_at IS NULL AND error IS NOT NULL ORDER BY try
"""
_CASES: Final = """
SELECT case_id, shard, stream_id, attempt_id, operation_id, exposure, currency, reason, opened_at FROM saga_cases
WHERE closed_at IS NULL ORDER BY opened_at, case_id LIMIT $1
"""
_CASE: Final = """
SELECT case_id, shard, stream_id, attempt_id, operation_id, exposure, currency, reason, opened_at FROM saga_cases
WHERE case_id = $1 AND closed_at IS NULL
"""
_REDRIVE: Final = """
UPDATE steps SET ready_at = least(ready_at, $4) WHERE subject = $1 AND kind = $2 AND try = $3
    AND finished_at IS NULL AND error IS NOT NULL AND leased_by IS NULL
RETURNING true
"""
# Asked anew from the first inquiry on, or, where a late success had to be undone, from the first call. Where a reversal was
# sent and not answered it is sent again: it may still arrive, and would then undo what an inquiry found. A case whose
# attempt has an unfinished step is being asked about already.
_REDRIVE_CASE: Final = f"""
INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, target, cause_id, traceparent, in_doubt,
    due_at, ready_at)
SELECT s.subject, CASE WHEN s.target IS NOT NULL THEN 'call' WHEN s.result = '{REVERSAL_UNDER_WAY}' THEN 'reversal'
    ELSE 'inquiry' END, s.try + 1, 1, s.shard, s.stream_id,
    s.operation_id, s.target, c.event_id, s.traceparent, true, $2, $2
FROM saga_cases c CROSS JOIN LATERAL (SELECT * FROM steps WHERE subject = c.attempt_id ORDER BY try DESC LIMIT 1) s
WHERE c.case_id = $1 AND c.closed_at IS NULL AND s.finished_at IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING true
"""  # noqa: S608 - a constant of ours


class FailedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step that failed `failures` times, last with `error`; it is tried again at `ready_at` (Unix ms) all the same."""

    subject: UUID
    kind: Kind
    try_no: int
    shard: int
    stream_id: UUID
    operation_id: UUID
    failures: int
    error: str
    ready_at: int


class OpenCase(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that only a person, or the PSP asked again, can settle: `exposure` minor units are at stake."""

    case_id: UUID
    shard: int
    stream_id: UUID
    attempt_id: UUID
    operation_id: UUID | None
    exposure: int
    currency: str
    reason: str
    opened_at: int


async def failed_steps(pool: asyncpg.Pool, *, limit: int = 1000) -> list[FailedStep]:
    """The unfinished steps that have failed at least once."""
    return [_failed_step(row) for row in await pool.fetch(_FAILED, limit)]


async def failed_steps_of(pool: asyncpg.Pool, subject: UUID) -> list[FailedStep]:
    """Those of one subject."""
    return [_failed_step(row) for row in await pool.fetch(_FAILED_OF, subject)]


async def open_cases(pool: asyncpg.Pool, *, limit: int = 1000) -> list[OpenCase]:
    """The cases whose answer does not stand in the log yet, oldest first."""
    return [OpenCase(**dict(row)) for row in await pool.fetch(_CASES, limit)]


async def open_case(pool: asyncpg.Pool, case_id: UUID) -> OpenCase | None:
    """One of them."""
    row = await pool.fetchrow(_CASE, case_id)
    return None if row is None else OpenCase(**dict(row))


def _failed_step(row: Any) -> FailedStep:
    return FailedStep(
        subject=row[0],
        kind=row[1],
        try_no=row[2],
        shard=row[3],
        stream_id=row[4],
        operation_id=row[5],
        failures=row[6],
        error=row[7],
        ready_at=row[8],
    )


async def redrive(pool: asyncpg.Pool, step: FailedStep, *, now_ms: int) -> bool:
    """Try a failed step again at once instead of at the end of its back-off; false when it is done or under way by now."""
    return await _happened(pool, _REDRIVE, step.subject, step.kind, step.try_no, now_ms)


async def redrive_case(pool: asyncpg.Pool, case_id: UUID, *, now_ms: int) -> bool:
    """Ask the PSP again what became of a case's attempt; false when the case is closed, unknown or being asked about."""
    return await _happened(pool, _REDRIVE_CASE, case_id, now_ms)


async def _happened(pool: asyncpg.Pool, statement: str, *arguments: Any) -> bool:
    return await pool.fetchval(statement, *arguments) is True
