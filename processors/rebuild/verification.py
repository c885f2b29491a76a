"""Is the live ledger what the log says? Its invariants, its digests, and every row computed anew from the events."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from processors.rebuild.generations import live_generation
from processors.rebuild.sources import PostgresLog
from projections.checkpoints import Checkpoint
from projections.digests import ShardDigest, shard_digest
from projections.ledger import Ledger, post
from projections.ledger.accounts import account_id
from projections.projection import schema_name, sql_text
from schemas.records import RecordedEvent

BATCH_EVENTS: Final = 2000
_INVARIANTS: Final = sql_text("processors.rebuild", "invariants.sql")
_POSITION: Final = """
    SELECT coalesce((SELECT position FROM checkpoints WHERE projection = $1 AND generation = $2 AND shard = h.shard), 0)
        AS position, h.position AS head
    FROM heads h WHERE h.shard = $3
"""
_LINES: Final = """
    SELECT e.position, e.line, e.transaction_line, e.account, e.amount, e.recorded_at, e.effective_at,
        t.event_id, t.event_type, t.rule, t.livemode, t.currency, t.merchant_id, t.stream_id, t.subject, t.reverses,
        a.code, a.party
    FROM {schema}.entries e
    LEFT JOIN {schema}.transactions t ON t.shard = e.shard AND t.position = e.position AND t.line = e.transaction_line
    LEFT JOIN {schema}.accounts a ON a.shard = e.shard AND a.account = e.account
    WHERE e.shard = $1 AND e.position > $2 AND e.position <= $3
    ORDER BY e.position, e.line
"""
_BEYOND: Final = "SELECT position, line FROM {schema}.entries WHERE shard = $1 AND position > $2 ORDER BY 1, 2 LIMIT 1"

Progress = Callable[[int, int, int], None]


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it has to be: which rule is broken in which shard, and where."""

    shard: int
    rule: str
    detail: str


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `events` were posted anew and `entries` compared with what they make; no findings: all is well."""

    generation: int
    events: int
    entries: int
    digests: tuple[ShardDigest, ...]
    findings: tuple[Finding, ...]


async def verify_ledger(
    pool: Any, *, shards: int, progress: Progress = lambda _shard, _position, _until: None, findings_limit: int = 100
) -> Verification:
    """Verify the live ledger, each shard on one snapshot, while the projector goes on."""
    ledger, findings, digests, totals = Ledger(), [], [], _Totals()
    async with pool.acquire() as connection:
        generation = await live_generation(connection, ledger.name)
        schema = schema_name(ledger.name, generation)
        for shard in range(shards):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                row = await connection.fetchrow(_POSITION, ledger.name, generation, shard)
                checkpoint = Checkpoint(ledger.name, generation, row["position"])
                if checkpoint.position > row["head"]:
                    findings.append(
                        Finding(shard, "the ledger follows the log", f"{checkpoint.position} is past {row['head']}")
                    )
                broken = await connection.fetch(_INVARIANTS.format(schema=schema) + f" LIMIT {findings_limit}", shard)
                findings += [Finding(shard, row["rule"], row["detail"]) for row in broken]
                findings += await _compare_with_log(
                    connection, checkpoint, shard, progress=progress, totals=totals, limit=findings_limit
                )
                digests.append(await shard_digest(connection, ledger, schema, shard, checkpoint.position))
    return Verification(
        generation=generation,
        events=totals.events,
        entries=totals.entries,
        digests=tuple(digests),
        findings=tuple(findings),
    )


class _Totals:
    def __init__(self) -> None:
        self.events = 0
        self.entries = 0


async def _compare_with_log(
    connection: Any, checkpoint: Checkpoint, shard: int, *, progress: Progress, totals: _Totals, limit: int
) -> list[Finding]:
    """Post every event up to the checkpoint anew and hold the stored lines against the outcome."""
    log, query = PostgresLog(connection), _LINES.format(schema=checkpoint.schema)
    findings: list[Finding] = []
    position = 0
    while position < checkpoint.position and len(findings) < limit:
        records = await log.read(shard, position, checkpoint.position, BATCH_EVENTS)
        if not records:
            findings.append(Finding(shard, "the ledger follows the log", f"the log ends at {position}"))
            break
        until = records[-1].position
        if until - position != len(records):
            findings.append(Finding(shard, "the log is dense", f"a gap between {position} and {until}"))
        expected = {line[:2]: line for record in records for line in _lines(record.decoded())}
        stored = {line[:2]: line for line in map(tuple, await connection.fetch(query, shard, position, until))}
        findings += _differences(shard, expected, stored)
        totals.events += len(records)
        totals.entries += len(stored)
        position = until
        progress(shard, position, checkpoint.position)
    beyond = await connection.fetchrow(_BEYOND.format(schema=checkpoint.schema), shard, checkpoint.position)
    if beyond is not None:
        place = f"{shard}:{beyond['position']}:{beyond['line']}"
        findings.append(Finding(shard, "nothing is posted past the checkpoint", place))
    return findings[:limit]


def _lines(recorded: RecordedEvent) -> Iterable[tuple[Any, ...]]:
    """The rows of `_LINES` that one event makes."""
    number, envelope = 0, recorded.envelope
    for transaction in post(recorded):
        first, livemode = number + 1, bool(envelope.livemode)
        for line in transaction.lines:
            number += 1
            yield (
                recorded.position,
                number,
                first,
                account_id(recorded.shard, livemode, transaction.currency, line.account),
                line.amount,
                recorded.recorded_at,
                envelope.effective_at,
                recorded.event_id,
                type(recorded.event).__name__,
                transaction.rule,
                envelope.livemode,
                transaction.currency,
                envelope.merchant_id,
                recorded.stream_id,
                transaction.subject,
                transaction.reverses,
                line.account.code,
                line.account.party,
            )


def _differences(
    shard: int, expected: dict[tuple[Any, ...], tuple[Any, ...]], stored: dict[tuple[Any, ...], tuple[Any, ...]]
) -> Iterable[Finding]:
    for place in sorted(expected.keys() | stored.keys()):
        if expected.get(place) != stored.get(place):
            what = "missing" if place not in stored else "not in the log" if place not in expected else "another"
            yield Finding(shard, "an entry is what its event says", f"{shard}:{place[0]}:{place[1]} is {what}")
