"""Whether anything was lost or doubled: what payers were told, the log, the ledger and the PSP's own log, held together."""

import asyncio
import http.client
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec

from schemas.codec import decode
from schemas.events import PspAttemptStarted
from schemas.identifiers import Prefix, parse_public_id, public_id

RULES: Final = ("hold", "release", "capture", "platform_fee", "psp_fee")
"""The ledger transactions of a payment that was held and then captured whole."""
STEPS: Final = ("PaymentIntentCreated", "PaymentAuthorized", "PaymentCaptured")
_ONCE: Final = frozenset({"authorized", "captured"})
_EVENTS: Final = """
    SELECT e.stream_id, e.type, e.payload
    FROM unnest($1::integer[], $2::bigint[]) AS wanted (shard, after)
    JOIN events e ON e.shard = wanted.shard AND e.position > wanted.after
    WHERE e.type = ANY ($3)
"""
_TRANSACTIONS: Final = """
    SELECT t.stream_id, t.rule FROM unnest($1::integer[], $2::bigint[]) AS wanted (shard, after)
    JOIN {schema}.transactions t ON t.shard = wanted.shard AND t.position > wanted.after
"""
_SCHEMA: Final = "SELECT 'ledger_' || generation FROM live WHERE projection = 'ledger'"


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """Of `payments` compared, how often two accounts disagree; all but `payments` have to be 0.

    `answers`: told and not in the log, or the other way round. `events`: a step of a payment that the log has not
    exactly once. `ledger`: a ledger transaction likewise. `psp`: an attempt that the PSP did not carry out exactly
    once, or money moved there that no attempt of ours asked for.
    """

    payments: int
    answers: int
    events: int
    ledger: int
    psp: int

    @property
    def total(self) -> int:
        return self.answers + self.events + self.ledger + self.psp


def compared(
    answered: Iterable[UUID],
    events: Iterable[tuple[UUID, str]],
    transactions: Iterable[tuple[UUID, str]],
    attempts: Iterable[str],
    psp_successes: Iterable[str],
) -> Losses:
    """Hold the accounts against each other.

    `events` and `transactions` are (intent, type) and (intent, rule), `attempts` our references of the calls that were
    begun, `psp_successes` the references under which the PSP's log says that it held or took money.
    """
    told = Counter(answered)
    steps, posted = Counter(events), Counter(transactions)
    intents = set(told) | {intent for intent, _ in steps} | {intent for intent, _ in posted}
    captured = {intent for intent, step in steps if step == STEPS[-1]}
    asked, done = Counter(attempts), Counter(psp_successes)
    return Losses(
        payments=len(intents),
        answers=len(captured ^ set(told)) + sum(times - 1 for times in told.values()),
        events=sum(steps[intent, step] != 1 for intent in intents for step in STEPS),
        ledger=sum(posted[intent, rule] != 1 for intent in intents for rule in RULES),
        psp=sum(done[reference] != 1 for reference in asked) + sum(reference not in asked for reference in done),
    )


class Accounts:
    """Where the accounts are read that `compared` needs, behind what `mark` has seen."""

    def __init__(self, dsn: str, psp_url: str) -> None:
        self._dsn = dsn
        self._psp = urlsplit(psp_url)
        self._heads: Mapping[int, int] = {}
        self._psp_lines = 0

    def mark(self) -> None:
        """Remember where the log and the PSP's log end; the PSP runs."""
        self._heads = asyncio.run(self._read_heads())
        self._psp_lines += len(self._psp_log())

    def compare(self, answered: Iterable[str]) -> Losses:
        """All that has happened since `mark`; the ledger has everything, the PSP runs."""
        references = [line["reference"] for line in self._psp_log() if line["result"] in _ONCE]
        events, transactions, attempts = asyncio.run(self._read())
        told = [parse_public_id(Prefix.PAYMENT_INTENT, intent_id) for intent_id in answered]
        return compared(told, events, transactions, attempts, references)

    def _psp_log(self) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection(self._psp.hostname or "", self._psp.port, timeout=60)
        try:
            connection.request("GET", f"/sim/log?after={self._psp_lines}")
            return [msgspec.json.decode(line) for line in connection.getresponse().read().splitlines() if line]
        finally:
            connection.close()

    async def _read_heads(self) -> dict[int, int]:
        connection: Any = await asyncpg.connect(self._dsn)
        try:
            return {row[0]: row[1] for row in await connection.fetch("SELECT shard, position FROM heads")}
        finally:
            await connection.close()

    async def _read(self) -> tuple[list[tuple[UUID, str]], list[tuple[UUID, str]], list[str]]:
        vector = list(self._heads), list(self._heads.values())
        connection: Any = await asyncpg.connect(self._dsn)
        try:
            events = await connection.fetch(_EVENTS, *vector, [*STEPS, PspAttemptStarted.__name__])
            schema = await connection.fetchval(_SCHEMA)
            transactions = await connection.fetch(_TRANSACTIONS.format(schema=schema), *vector)
        finally:
            await connection.close()
        attempts = [
            public_id(Prefix.ATTEMPT, started.attempt_id)
            for row in events
            if isinstance(started := decode(row["payload"]), PspAttemptStarted)
        ]
        steps = [(row["stream_id"], row["type"]) for row in events if row["type"] in STEPS]
        return steps, [(row["stream_id"], row["rule"]) for row in transactions], attempts
