"""Is the log what was recorded, and the live ledger what the log says? Hashes, invariants, and every row computed anew."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from processors.rebuild.findings import Finding
from processors.rebuild.generations import existing, live_generation
from processors.rebuild.log_check import LogCheck
from processors.rebuild.sources import PostgresLog
from projections.checkpoints import Checkpoint
from projections.digests import ShardDigest, shard_digest
from projections.ledger import Ledger, post
from projections.ledger.accounts import account_id
from projections.projection import sql_text
from schemas.records import Record, RecordedEvent

BATCH_EVENTS: Final = 2000
_INVARIANTS: Final = sql_text("processors.rebuild", "invariants.sql")
_POSITION: Final = "SELECT position FROM checkpoints WHERE projection = $1 AND generation = $2 AND shard = $3"
_LINES: Final = """
    SELECT e.position, e.line, e.transaction_line, e.account, e.amount, e.recorded_at, e.effective_at,
        t.event_id, t.event_type, t.rule, t.livemode, t.currency, t.merchant_id, t.stream_id, t.subject, t.reverses,
        t.recorded_at AS transaction_recorded_at, t.effective_at AS transaction_effective_at, a.code, a.party
    FROM {schema}.entries e
    LEFT JOIN {schema}.transactions t ON t.shard = e.shard AND t.position = e.position AND t.line = e.transaction_line
    LEFT JOIN {schema}.accounts a ON a.shard = e.shard AND a.account = e.account
    WHERE e.shard = $1 AND e.position > $2 AND e.position <= $3
    ORDER BY e.position, e.line
"""
_OUTSIDE: Final = """
    SELECT position, line FROM {schema}.entries WHERE shard = $1 AND (position < 1 OR position > $2) ORDER BY 1, 2 LIMIT 1
"""
_OTHER_SHARDS: Final = " UNION ALL ".join(
    f"SELECT '{table}' AS name, shard FROM (SELECT min(shard) AS shard FROM {{schema}}.{table} WHERE shard < 0 OR shard >= $1) s"  # noqa: S608
    " WHERE shard IS NOT NULL"
    for table in ("accounts", "transactions", "entries", "balances")
)
_WHOLE_LOG: Final = (1 << 63) - 1
# What a record raises that was not written by the store, or not left as it was.
_UNREADABLE: Final = (ValueError, ArithmeticError, LookupError, TypeError, AssertionError, msgspec.MsgspecError)

Progress = Callable[[int, int, int], None]


class NothingLive(Exception):
    """No generation of the ledger is live, or the one that is said to be has no tables: there is nothing to verify."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `events` were held against their hashes and posted anew, `entries` compared with what they make.

    No findings: all is well.
    """

    generation: int
    events: int
    entries: int
    digests: tuple[ShardDigest, ...]
    findings: tuple[Finding, ...]


async def verify_ledger(
    pool: Any, *, shards: int, progress: Progress = lambda _shard, _position, _until: None, findings_limit: int = 100
) -> Verification:
    """Verify the log and the live ledger, each shard on one snapshot, while the projector goes on.

    Raises:
        NothingLive: there is no live ledger to verify.
    """
    ledger, findings, digests, totals = Ledger(), [], [], _Totals()
    async with pool.acquire() as connection:
        for shard in range(shards):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                # Looked up for each shard: between two of them a rebuild may switch over and drop the one before.
                checkpoint = await _live_checkpoint(connection, ledger.name, shard)
                invariants = _INVARIANTS.format(schema=checkpoint.schema) + f" LIMIT {findings_limit}"
                findings += [Finding(shard, *row) for row in await connection.fetch(invariants, shard)]
                findings += await _compare_with_log(
                    connection, checkpoint, shard, progress=progress, totals=totals, limit=findings_limit
                )
                if shard == shards - 1:
                    elsewhere = await connection.fetch(_OTHER_SHARDS.format(schema=checkpoint.schema), shards)
                    findings += [Finding(other, "only shards that are have books", name) for name, other in elsewhere]
                digests.append(await shard_digest(connection, ledger, checkpoint.schema, shard, checkpoint.position))
    return Verification(
        generation=checkpoint.generation,
        events=totals.events,
        entries=totals.entries,
        digests=tuple(digests),
        findings=tuple(findings),
    )


async def _live_checkpoint(connection: Any, projection: str, shard: int) -> Checkpoint:
    generation = await live_generation(connection, projection)
    if generation not in await existing(connection, projection):
        raise NothingLive(f"the table `live` names generation {generation} of {projection}, which has no tables")
    position = await connection.fetchval(_POSITION, projection, generation, shard)
    return Checkpoint(projection, generation, position or 0)


class _Totals:
    def __init__(self) -> None:
        self.events = 0
        self.entries = 0


async def _compare_with_log(
    connection: Any, checkpoint: Checkpoint, shard: int, *, progress: Progress, totals: _Totals, limit: int
) -> list[Finding]:
    """Look through the whole log, post every event up to the checkpoint anew, and hold the stored lines against that."""
    log, query = PostgresLog(connection), _LINES.format(schema=checkpoint.schema)
    check, findings = LogCheck(connection, shard), list[Finding]()
    while len(findings) < limit:
        before = check.position
        records = await log.read(shard, before, _WHOLE_LOG, BATCH_EVENTS)
        if not records:
            findings += await check.end()
            break
        findings += await check.look(records)
        posted = [record for record in records if record.position <= checkpoint.position]
        expected: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        findings += _post_anew(posted, expected)
        until = min(check.position, checkpoint.position)
        stored = {line[:2]: line for line in await connection.fetch(query, shard, before, until)}
        findings += _differences(shard, expected, stored)
        totals.events += len(posted)
        totals.entries += len(stored)
        progress(shard, until, checkpoint.position)
    else:
        return findings[:limit]
    if checkpoint.position > check.position:
        ends = f"it has come to {shard}:{checkpoint.position}, the log ends at {shard}:{check.position}"
        findings.append(Finding(shard, "the ledger follows the log", ends))
    outside = await connection.fetchrow(_OUTSIDE.format(schema=checkpoint.schema), shard, checkpoint.position)
    if outside is not None:
        place = f"{shard}:{outside['position']}:{outside['line']}"
        rule = (
            "nothing is posted past the checkpoint" if outside["position"] > 0 else "nothing is posted before the log"
        )
        findings.append(Finding(shard, rule, place))
    return findings[:limit]


def _post_anew(records: Sequence[Record], lines: dict[tuple[Any, ...], tuple[Any, ...]]) -> Iterator[Finding]:
    """Put what `records` post into `lines`; a finding for each that cannot be read or posted."""
    for record in records:
        try:
            lines.update({line[:2]: line for line in _lines(record.decoded())})
        except _UNREADABLE as error:
            place = f"{record.shard}:{record.position} ({record.type})"
            yield Finding(record.shard, "an event can be read and posted", f"{place}: {error}")


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
                recorded.recorded_at,
                envelope.effective_at,
                line.account.code,
                line.account.party,
            )


def _differences(
    shard: int, expected: dict[tuple[Any, ...], tuple[Any, ...]], stored: dict[tuple[Any, ...], asyncpg.Record]
) -> Iterable[Finding]:
    for place in sorted(expected.keys() | stored.keys()):
        wanted, found = expected.get(place), stored.get(place)
        if found is None:
            what = "is missing"
        elif wanted is None:
            what = "is not in the log"
        elif tuple(found) != wanted:
            fields = zip(found.keys(), found.values(), wanted, strict=True)
            what = "; ".join(f"{name} is {there}, by its event {made}" for name, there, made in fields if there != made)
        else:
            continue
        yield Finding(shard, "an entry is what its event says", f"{shard}:{place[0]}:{place[1]} {what}")
