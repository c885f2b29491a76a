"""The PSP oracle: what the simulator says it did, against what our log says was asked and answered.

The simulator's log is an independent account: at most one charge for each attempt, one success for each operation, and
only what our log had announced, under the very key it had announced.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from aggregates import payment_intent
from aggregates.payment_intent import Attempt, PaymentIntent
from schemas.events import EVENT_TYPES, PaymentIntentCreated
from schemas.records import Record

SUCCESSES = {"payment": {"authorized", "captured"}, "capture": {"captured"}, "refund": {"refunded"}, "void": {"voided"}}
OPERATIONS = {"authorize": "payment", "capture": "capture", "refund": "refund", "void": "void"}

# A timer of the same operation settles nothing about it.
_AT_WORK = """
    SELECT DISTINCT operation_id FROM steps WHERE finished_at IS NULL AND kind IN ('call', 'inquiry', 'reversal')
"""


async def simulator_log(url: str) -> list[dict[str, Any]]:
    """Every line of `/sim/log`, oldest first."""
    lines: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while True:
            answer = await client.get("/sim/log", params={"after": lines[-1]["seq"] if lines else 0, "limit": 1000})
            answer.raise_for_status()
            page = [msgspec.json.decode(line) for line in answer.text.splitlines() if line]
            if not page:
                return lines
            lines += page


def intents_of(records: Mapping[int, Sequence[Record]]) -> list[PaymentIntent]:
    """Every payment intent of the log, folded."""
    streams: dict[UUID, list[Record]] = defaultdict(list)
    for shard_records in records.values():
        for record in shard_records:
            streams[record.stream_id].append(record)
    return [
        reduce(payment_intent.evolve, [record.decoded() for record in stream], payment_intent.initial())
        for stream in streams.values()
        if EVENT_TYPES[stream[0].type] is PaymentIntentCreated
    ]


def faults_of_psp(lines: Sequence[Mapping[str, Any]], intents: Iterable[PaymentIntent]) -> list[str]:
    """Charges without an announcement, under another key, of another amount, or twice; and verdicts that are not true."""
    intents = list(intents)
    attempts = {
        attempt.our_reference: (attempt, intent.currency)
        for intent in intents
        for attempt in intent.attempts.values()
        if attempt.operation != "reversal"
    }
    faults = [fault for line in lines if line["operation"] != "reversal" for fault in _faults_of_line(line, attempts)]
    standing, ever = _successes(lines)
    faults += [f"{reference} succeeded {times} times" for reference, times in ever.items() if times > 1]
    for intent in intents:
        faults += _faults_of_operations(intent, standing)
        faults += [fault for attempt in intent.attempts.values() for fault in _faults_of_verdict(attempt, standing)]
    return faults


def _faults_of_line(line: Mapping[str, Any], attempts: Mapping[str, tuple[Attempt, str]]) -> list[str]:
    known = attempts.get(line["reference"])
    if known is None:
        return [f"{line['reference']}: the PSP was asked for what no attempt announced"]
    attempt, currency = known
    faults = []
    if line["operation"] != OPERATIONS[attempt.operation]:
        faults.append(f"{line['reference']}: announced as {attempt.operation}, done as {line['operation']}")
    if line["idempotency_key"] != attempt.psp_idempotency_key and line["result"] != "expired":
        faults.append(f"{line['reference']}: asked under {line['idempotency_key']}, not the announced key")
    if line["result"] != "expired" and (line["amount"], line["currency"]) != (attempt.psp_amount, currency):
        faults.append(f"{line['reference']}: {line['amount']} {line['currency']} instead of what was announced")
    return faults


def _successes(lines: Sequence[Mapping[str, Any]]) -> tuple[dict[str, bool], dict[str, int]]:
    """By reference: whether a success stands in the end, and how often there was one."""
    standing: dict[str, bool] = defaultdict(bool)
    ever: dict[str, int] = defaultdict(int)
    for line in lines:
        reference = line["reference"]
        if line["operation"] == "reversal":
            standing[reference] = False
        elif line["result"] in SUCCESSES[line["operation"]]:
            standing[reference] = True
            ever[reference] += 1
    return standing, ever


def _faults_of_operations(intent: PaymentIntent, standing: Mapping[str, bool]) -> list[str]:
    faults = []
    for operation in intent.operations.values():
        attempts = [attempt for attempt in intent.attempts.values() if attempt.operation_id == operation.id]
        successes = {a.our_reference for a in attempts if a.operation != "reversal" and standing.get(a.our_reference)}
        if len(successes) > 1:
            faults.append(f"operation {operation.id} succeeded {len(successes)} times: {sorted(successes)}")
    return faults


def _faults_of_verdict(attempt: Attempt, standing: Mapping[str, bool]) -> list[str]:
    stands = standing.get(attempt.our_reference, False)
    if attempt.operation == "reversal" or attempt.open:
        return []
    if attempt.status == "succeeded" and not stands:
        return [f"{attempt.our_reference} is told as done, and the PSP did not do it"]
    if attempt.status == "failed" and stands:
        return [f"{attempt.our_reference} is told as failed, and the PSP did it"]
    return []


async def faults_of_waiting(dsn: str, intents: Sequence[PaymentIntent]) -> list[str]:
    """Operations and late successes that are open and that nobody is going to do anything about: no step, no case."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        steps = await connection.fetch(_AT_WORK)
        cases = await connection.fetch("SELECT DISTINCT operation_id FROM saga_cases WHERE closed_at IS NULL")
    finally:
        await connection.close()
    looked_after = {row["operation_id"] for row in [*steps, *cases]}
    return [
        f"operation {operation.id} ({operation.kind}) of {intent.id} hangs"
        for intent in intents
        for operation in intent.operations.values()
        if operation.ended_version is None and operation.id not in looked_after
    ] + [
        f"late success {late.our_reference} of {intent.id} is not undone"
        for intent in intents
        for late in intent.late_successes.values()
        if not late.reversed and late.operation_id not in looked_after
    ]
