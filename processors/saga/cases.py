"""Cases as the saga's tables have them: opened and closed by the log, in the transaction that moves the checkpoint."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from schemas.events import (
    AuthorizationDeclined,
    AuthorizationVoided,
    CancellationFailed,
    CaptureFailed,
    LateSuccessReversed,
    ManualCaseOpened,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentRefunded,
    RefundFailed,
)
from schemas.records import Record

_OPENING: Final = ManualCaseOpened.__name__
_ANSWERS: Final = (
    AuthorizationDeclined
    | AuthorizationVoided
    | CancellationFailed
    | CaptureFailed
    | LateSuccessReversed
    | PaymentAuthorized
    | PaymentCaptured
    | PaymentRefunded
    | RefundFailed
)
_OPEN: Final = """
INSERT INTO saga_cases (case_id, shard, position, stream_id, attempt_id, operation_id, event_id, exposure, currency,
    reason, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING
"""
_STREAMS_WITH_CASES: Final = """
SELECT DISTINCT stream_id FROM saga_cases WHERE closed_at IS NULL AND stream_id = ANY ($1::uuid[])
"""
_CLOSE: Final = """
UPDATE saga_cases SET closed_at = $4 WHERE stream_id = $1 AND attempt_id = $2 AND position < $3 AND closed_at IS NULL
"""


def opens_case(record: Record) -> bool:
    """Tell whether `record` opens a case."""
    return record.type == _OPENING


async def follow_cases(connection: Any, records: Sequence[Record]) -> None:
    """Open the cases that `records` open and close those whose attempt they bring the PSP's answer for.

    An answer closes only cases that were opened before it: one that contradicts what is known opens its own.
    """
    for record in records:
        if opens_case(record):
            await _open(connection, record)
    concerned: set[UUID] = {
        row[0] for row in await connection.fetch(_STREAMS_WITH_CASES, list({record.stream_id for record in records}))
    }
    for record in records:
        if record.stream_id in concerned and record.type != _OPENING:
            event = record.decoded().event
            if isinstance(event, _ANSWERS):
                await connection.execute(
                    _CLOSE, record.stream_id, event.result.attempt_id, record.position, record.recorded_at
                )


async def _open(connection: Any, record: Record) -> None:
    recorded = record.decoded()
    event = recorded.event
    assert isinstance(event, ManualCaseOpened)
    await connection.execute(
        _OPEN,
        event.case_id,
        record.shard,
        record.position,
        record.stream_id,
        event.attempt_id,
        recorded.envelope.correlation_id,
        record.event_id,
        event.exposure,
        recorded.envelope.currency or "",
        event.reason,
        record.recorded_at,
    )
