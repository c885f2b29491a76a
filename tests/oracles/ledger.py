"""The posting oracle: the ledger computed once more, from the raw records, by somebody who never saw how we post.

It shares nothing with `projections`: the frames are read with the schema that wrote them, as plain dictionaries, and
the table below was written from the contract (docs/ledger.md), in its own form.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from fastavro import schemaless_reader

from schemas.identifiers import Prefix, public_id
from schemas.registry import schemas_by_id

Fields = dict[str, Any]
Entry = tuple[int, int, str, bool, str, str, int]
"""shard, position, event type, livemode, currency, account with its party, amount (Dr +, Cr −)."""

# event → (debited, credited, amount); `*` before an amount takes one line per element of a list of slices, whose own
# account stands in for `@`. The currency is the event's, or that of the fee where the amount is one.
TABLE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "PaymentAuthorized": (("auth_hold", "auth_contra", "amount_authorized"),),
    "PaymentCaptured": (
        ("auth_contra", "auth_hold", "hold_released"),
        ("psp_receivable:P", "merchant_pending:M", "amount"),
        ("merchant_pending:M", "platform_fee", "platform_fee.total"),
        ("psp_fee", "psp_receivable:P", "psp_fee.amount"),
    ),
    "AuthorizationVoided": (("auth_contra", "auth_hold", "amount_released"),),
    "AuthorizationExpired": (("auth_contra", "auth_hold", "amount_released"),),
    "FundsMadeAvailable": (("merchant_pending:M", "merchant_available:M", "amount"),),
    "RefundRequested": (("@:M", "refund_in_transit:P", "*funding"),),
    "PaymentRefunded": (
        ("refund_in_transit:P", "psp_receivable:P", "amount"),
        ("merchant_available:M", "platform_fee", "refund_fee"),
        ("psp_fee", "psp_receivable:P", "psp_fee.amount"),
        ("platform_fee", "merchant_available:M", "platform_fee_returned"),
    ),
    "RefundFailed": (("refund_in_transit:P", "@:M", "*restored"),),
    "RefundReversed": (("psp_receivable:P", "@:M", "*restored"),),
    "CaptureReversed": (
        ("@:M", "psp_receivable:P", "*taken_from"),
        ("platform_fee", "merchant_available:M", "platform_fee_returned"),
        ("psp_receivable:P", "psp_fee", "psp_fee_returned"),
    ),
    "PspFeeAdjusted": (("psp_fee", "psp_receivable:P", "delta"),),
    "LateSuccessReceived/charge": (
        ("psp_receivable:P", "suspense:P", "amount"),
        ("psp_fee", "psp_receivable:P", "psp_fee.amount"),
    ),
    "LateSuccessReversed/refund": (
        ("suspense:P", "psp_receivable:P", "amount"),
        ("psp_fee", "psp_receivable:P", "psp_fee.amount"),
    ),
    "AuthorizationDeclined": (("psp_fee", "psp_receivable:P", "psp_fee.amount"),),
}

_EVENTS = "SELECT shard, position, type, payload, metadata FROM events ORDER BY shard, position"
_STORED = """
    SELECT e.shard, e.position, t.event_type, a.livemode, a.currency, a.code, a.party, e.amount
    FROM {schema}.entries e
    LEFT JOIN {schema}.transactions t ON t.shard = e.shard AND t.position = e.position AND t.line = e.transaction_line
    LEFT JOIN {schema}.accounts a ON a.shard = e.shard AND a.account = e.account
"""
_BALANCES = """
    SELECT a.shard, a.livemode, a.currency, a.code, a.party, b.debits - b.credits AS balance
    FROM {schema}.balances b JOIN {schema}.accounts a USING (shard, account)
"""


async def faults_of_postings(dsn: str) -> list[str]:
    """Everything in which the live ledger is not what the log makes of it; none of it for a ledger that is behind."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            events = await connection.fetch(_EVENTS)
            generation = await connection.fetchval("SELECT generation FROM live WHERE projection = 'ledger'")
            schema = f"ledger_{generation}"
            stored = await connection.fetch(_STORED.format(schema=schema))
            balances = await connection.fetch(_BALANCES.format(schema=schema))
    finally:
        await connection.close()
    return [*_faults_of_entries(events, stored), *_faults_of_balances(events, balances)]


def entries_of(row: Any) -> Iterator[Entry]:
    """The entries that one record makes, sides and all; zero amounts make none."""
    fields, metadata = _fields(row["payload"]), msgspec.json.decode(row["metadata"])
    variant = fields.get("kind") or fields.get("via")
    rows = TABLE.get(row["type"]) or TABLE.get(f"{row['type']}/{variant}", ())
    psp = fields.get("psp") or fields.get("result", {}).get("psp", "")
    merchant = _merchant(metadata["merchant_id"])
    for debited, credited, named in rows:
        currency = fields["psp_fee"]["currency"] if named == "psp_fee.amount" and fields["psp_fee"] else None
        for account, amount in _amounts(fields, named):
            for side, sign in ((debited, 1), (credited, -1)):
                place = side.replace("@", account).replace(":P", f":{psp}" if psp else "").replace(":M", f":{merchant}")
                if amount:
                    yield (
                        row["shard"],
                        row["position"],
                        row["type"],
                        metadata["livemode"],
                        currency or fields.get("currency") or metadata["currency"],
                        place,
                        sign * amount,
                    )


def _fields(frame: bytes) -> Fields:
    fields: Any = schemaless_reader(BytesIO(frame[5:]), schemas_by_id()[int.from_bytes(frame[1:5])].parsed, None)
    return dict(fields)


def _merchant(text: str) -> str:
    return public_id(Prefix.MERCHANT, UUID(text))


def _amounts(fields: Fields, named: str) -> list[tuple[str, int]]:
    if named.startswith("*"):
        return [(part.get("source") or part["account"], part["amount"]) for part in fields[named[1:]]]
    outer, _, inner = named.partition(".")
    value = fields[outer]
    if inner:
        value = value[inner] if value is not None else 0
    return [("", value)]


def _folded(entries: Sequence[Entry]) -> Counter[tuple[Any, ...]]:
    """Sums by record and account: how many lines an amount is spread over is nobody's business."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for *place, amount in entries:
        sums[tuple(place)] += amount
    return sums


def _faults_of_entries(events: Sequence[Any], stored: Sequence[Any]) -> list[str]:
    expected = _folded([entry for row in events for entry in entries_of(row)])
    found = _folded(
        [
            (
                row["shard"],
                row["position"],
                row["event_type"],
                row["livemode"],
                row["currency"],
                f"{row['code']}:{row['party']}" if row["party"] else row["code"],
                row["amount"],
            )
            for row in stored
        ]
    )
    return [
        f"{place[0]}:{place[1]} {place[2]} posts {found[place]} to {place[5]} ({place[4]}), not {expected[place]}"
        for place in sorted({*expected, *found}, key=str)
        if expected[place] != found[place]
    ]


def _faults_of_balances(events: Sequence[Any], balances: Sequence[Any]) -> list[str]:
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in events:
        for shard, _, _, livemode, currency, account, amount in entries_of(row):
            expected[shard, livemode, currency, account] += amount
    found: Counter[tuple[Any, ...]] = Counter()
    for row in balances:
        account = f"{row['code']}:{row['party']}" if row["party"] else row["code"]
        found[row["shard"], row["livemode"], row["currency"], account] += row["balance"]
    return [
        f"{account} ({currency}, shard {shard}) holds {found[place]}, the log says {expected[place]}"
        for place in sorted({*expected, *found}, key=str)
        for shard, _, currency, account in [place]
        if expected[place] != found[place]
    ]
