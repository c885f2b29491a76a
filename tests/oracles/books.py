"""The ledger oracle: do the books balance, say what the payments say, and agree with the PSP's own account?

Nothing here knows a posting rule. The books are held against two tellers that never heard of accounts: the payment
intents as their aggregate folds them, and the PSP's log.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from aggregates.payment_intent import PaymentIntent
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.records import Record

Line = Mapping[str, Any]
Money = Counter[tuple[Any, ...]]
"""Minor units by whatever is told apart; what is not in it is zero."""

_TRANSACTIONS = "SELECT * FROM {schema}.transactions"
_ENTRIES = """
    SELECT e.*, a.livemode, a.currency, a.code, a.party
    FROM {schema}.entries e JOIN {schema}.accounts a USING (shard, account)
"""
_BALANCES = """
    SELECT b.*, a.livemode, a.currency, a.code, a.party
    FROM {schema}.balances b JOIN {schema}.accounts a USING (shard, account)
"""
_POSITIONS = """
    SELECT c.shard, c.position FROM live l JOIN checkpoints c USING (projection, generation)
    WHERE l.projection = 'ledger'
"""


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of the ledger that readers see, and how far each shard of it has come."""

    transactions: Sequence[Line]
    entries: Sequence[Line]
    balances: Sequence[Line]
    positions: Mapping[int, int]


async def read_books(dsn: str) -> Books:
    """The live generation, whole, as of one moment."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            generation = await connection.fetchval("SELECT generation FROM live WHERE projection = 'ledger'")
            schema = f"ledger_{generation}"
            return Books(
                transactions=await connection.fetch(_TRANSACTIONS.format(schema=schema)),
                entries=await connection.fetch(_ENTRIES.format(schema=schema)),
                balances=await connection.fetch(_BALANCES.format(schema=schema)),
                positions={row["shard"]: row["position"] for row in await connection.fetch(_POSITIONS)},
            )
    finally:
        await connection.close()


def faults_of_books(
    books: Books, records: Mapping[int, Sequence[Record]], intents: Iterable[PaymentIntent]
) -> list[str]:
    """Everything that is wrong with the ledger as the books of `records`; `intents` are their folds."""
    return [
        *_faults_of_positions(books, records),
        *_faults_of_sums(books),
        *_faults_of_balances(books),
        *_faults_of_repeats(books),
        *_differences("the payments say", _by_account(books), _by_account_as_payments_say(intents)),
    ]


def _faults_of_positions(books: Books, records: Mapping[int, Sequence[Record]]) -> list[str]:
    return [
        f"shard {shard} is posted up to {books.positions.get(shard, 0)} of {len(shard_records)}"
        for shard, shard_records in records.items()
        if books.positions.get(shard, 0) != len(shard_records)
    ]


def _faults_of_sums(books: Books) -> list[str]:
    """Debits equal credits in each transaction and currency, and in each shard's trial balance."""
    sums: Money = Counter()
    for entry in books.entries:
        amount, currency, livemode = entry["amount"], entry["currency"], entry["livemode"]
        sums["transaction", entry["shard"], entry["position"], entry["transaction_line"], currency, livemode] += amount
        sums["trial balance of entries", entry["shard"], currency, livemode] += amount
    for balance in books.balances:
        where = ("trial balance", balance["shard"], balance["currency"], balance["livemode"])
        sums[where] += balance["debits"] - balance["credits"]
    return [f"{' '.join(map(str, where))} is off by {amount}" for where, amount in sums.items() if amount]


def _faults_of_balances(books: Books) -> list[str]:
    """Each account holds the sum of its entries."""
    entries: Money = Counter()
    for entry in books.entries:
        entries[entry["shard"], entry["account"]] += entry["amount"]
    held = Counter({(row["shard"], row["account"]): row["debits"] - row["credits"] for row in books.balances})
    return _differences("its entries sum to", held, entries)


def _faults_of_repeats(books: Books) -> list[str]:
    """An event sets off each rule once."""
    times = Counter((row["event_id"], row["rule"]) for row in books.transactions)
    return [f"{rule} of event {event} is posted {count} times" for (event, rule), count in times.items() if count > 1]


def _by_account(books: Books) -> Money:
    """What each code, and each merchant, holds by shard, mode and currency; pending and available are one."""
    sums: Money = Counter()
    for entry in books.entries:
        merchant = entry["party"] if entry["code"].startswith("merchant_") else None
        code = merchant or entry["code"]
        sums[entry["shard"], entry["livemode"], entry["currency"], code] += entry["amount"]
    return sums


def _by_account_as_payments_say(intents: Iterable[PaymentIntent]) -> Money:
    sums: Money = Counter()
    for intent in intents:
        held = intent.authorized - intent.released - intent.captured
        late = [late for late in intent.late_successes.values() if late.kind == "charge" and not late.reversed]
        suspense = sum(late.amount for late in late)
        psp_fees = sum(
            capture.psp_fee.amount for capture in intent.captures.values() if capture.psp_fee and capture.captured_at
        )
        kept = intent.fee_charged - intent.fee_returned_on_refunds - intent.fee_returned_on_reversals
        kept += sum(refund.refund_fee for refund in intent.refunds.values() if refund.status == "refunded")
        owed = intent.captured_net - intent.refunded - intent.refund_pending - kept
        for code, amount in {
            "auth_hold": held,
            "auth_contra": -held,
            "psp_receivable": intent.captured_net - intent.refunded - psp_fees + suspense,
            "psp_fee": psp_fees,
            "platform_fee": -kept,
            public_id(Prefix.MERCHANT, intent.merchant_id): -owed,
            "refund_in_transit": -intent.refund_pending,
            "suspense": -suspense,
        }.items():
            sums[shard_of(intent.id), intent.livemode, intent.currency, code] += amount
    return sums


def _differences(teller: str, found: Money, told: Money) -> list[str]:
    return [
        f"{' '.join(map(str, where))}: {found[where]}, and {teller} {told[where]}"
        for where in sorted({*found, *told}, key=str)
        if found[where] != told[where]
    ]


def faults_of_caps(intents: Iterable[PaymentIntent]) -> list[str]:
    """Payments that took or gave back more than they may, worked out from their parts and not from their sums."""
    faults = []
    for intent in intents:
        taken = sum(each.amount for each in intent.captures.values() if each.status in {"processing", "succeeded"})
        given = sum(each.amount for each in intent.refunds.values() if each.status in {"processing", "refunded"})
        if taken + intent.released > intent.authorized and intent.authorization is not None:
            faults.append(f"{intent.id} captured {taken} and released {intent.released} of {intent.authorized}")
        if given > taken:
            faults.append(f"{intent.id} refunds {given} of {taken}")
    return faults


def faults_against_psp(
    books: Books, records: Mapping[int, Sequence[Record]], intents: Sequence[PaymentIntent], log: Sequence[Line]
) -> list[str]:
    """Where the ledger's account with the PSP and the PSP's own log differ, attempt by attempt.

    An attempt that has an open case may differ: that is what the case says.
    """
    in_question = {
        intent.attempts[case.attempt_id].our_reference for intent in intents for case in intent.open_cases.values()
    }
    booked, told = _booked(books, records, intents), _told(log)
    return [
        fault
        for reference in sorted({reference for _, reference, *_ in [*booked, *told]} - in_question)
        for fault in _differences(
            "the PSP's log says",
            Counter({where: amount for where, amount in booked.items() if where[1] == reference}),
            Counter({where: amount for where, amount in told.items() if where[1] == reference}),
        )
    ]


def _booked(books: Books, records: Mapping[int, Sequence[Record]], intents: Sequence[PaymentIntent]) -> Money:
    """(code, our reference, currency) → minor units, of the accounts that are the PSP's business.

    What undoes an attempt's late success is booked under the reference of that attempt, as the PSP has it.
    """
    attempts = {attempt.id: attempt for intent in intents for attempt in intent.attempts.values()}
    transactions = {(row["shard"], row["position"], row["line"]): row for row in books.transactions}
    sums: Money = Counter()
    for entry in books.entries:
        if entry["code"] not in {"psp_receivable", "psp_fee"}:
            continue
        transaction = transactions[entry["shard"], entry["position"], entry["transaction_line"]]
        record = records[transaction["shard"]][transaction["position"] - 1]
        event: Any = record.decoded().event
        attempt = attempts[event.result.attempt_id]
        undone: UUID | None = attempt.reverses
        reference = (attempts[undone] if undone else attempt).our_reference
        sums[entry["code"], reference, entry["currency"]] += entry["amount"]
    return sums


def _told(log: Sequence[Line]) -> Money:
    signs = {("payment", "captured"): 1, ("capture", "captured"): 1, ("refund", "refunded"): -1}
    lines: dict[str, list[Line]] = defaultdict(list)
    for line in log:
        lines[line["reference"]].append(line)
    sums: Money = Counter()
    for reference, own in lines.items():
        currency = next((line["currency"] for line in own if line["currency"]), "")
        moved = sum(signs.get((line["operation"], line["result"]), 0) * line["amount"] for line in own)
        undone = any(line["operation"] == "reversal" for line in own)
        fees = sum(line["fee"] for line in own)
        sums["psp_receivable", reference, currency] += (0 if undone else moved) - fees
        sums["psp_fee", reference, currency] += fees
    return sums
