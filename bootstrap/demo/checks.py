"""The demo's audit: what the API and the ledger say, held against the PSP's own log, to the last minor unit.

Nothing here asks Guilder whether Guilder is right. The PSP's log is a list of lines `{seq, operation, reference, amount,
currency, result, fee}`, a line per change of state; a reversal's line carries the reference of what it undid.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from bootstrap.demo.shoppers import Paid

LogLine = Mapping[str, Any]
# (currency, account code) → debits less credits, minor units, over all parties of a code
Totals = Mapping[tuple[str, str], int]

_SUCCESSES = frozenset({"authorized", "captured", "refunded", "voided"})


class Check(msgspec.Struct, frozen=True):
    """One thing that has to hold: how many were looked at, and each place where it does not."""

    name: str
    looked_at: int
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether something was looked at and nothing was wrong."""
        return self.looked_at > 0 and not self.wrong


def _by_reference(log: Iterable[LogLine]) -> dict[str, list[LogLine]]:
    lines: dict[str, list[LogLine]] = defaultdict(list)
    for line in log:
        lines[line["reference"]].append(line)
    return lines


def _net(lines: Iterable[LogLine], operation: str, result: str) -> int:
    """What stands of `operation` with `result`, less what was undone, in minor units."""
    total = undone = 0
    for line in lines:
        if line["operation"] == operation and line["result"] == result:
            total += line["amount"]
        elif line["operation"] == "reversal":
            undone += line["amount"]
    return max(0, total - undone)


def one_success_for_each_attempt(paid: list[Paid], log: Sequence[LogLine]) -> Check:
    """An attempt that succeeded did so once at the PSP; one that failed left nothing standing there."""
    lines = _by_reference(log)
    wrong = []
    attempts = [attempt for payment in paid for attempt in payment.intent["attempts"]]
    for attempt in attempts:
        own = lines[attempt["id"]]
        successes = sum(line["operation"] != "reversal" and line["result"] in _SUCCESSES for line in own)
        undone = any(line["operation"] == "reversal" and line["result"] != "tombstoned" for line in own)
        standing = successes - undone
        expected = 1 if attempt["status"] == "succeeded" else 0
        if standing != expected or successes > 1:
            wrong.append(f"{attempt['id']} is {attempt['status']}; the PSP has {successes} successes, undone: {undone}")
    return Check("each attempt happened at the PSP exactly once or not at all", len(attempts), tuple(wrong))


def payments_agree_with_the_psp(paid: list[Paid], log: Sequence[LogLine]) -> Check:
    """Captured and refunded money of each payment intent is what the PSP took and gave back."""
    lines = _by_reference(log)
    wrong = []
    for payment in paid:
        own = [lines[attempt["id"]] for attempt in payment.intent["attempts"]]
        captured = sum(_net(each, "payment", "captured") + _net(each, "capture", "captured") for each in own)
        refunded = sum(_net(each, "refund", "refunded") for each in own)
        if (captured, refunded) != (payment.intent["amount_captured"], payment.intent["amount_refunded"]):
            wrong.append(f"{payment.intent['id']}: the PSP captured {captured} and refunded {refunded}")
    return Check("captured and refunded amounts are those of the PSP's log", len(paid), tuple(wrong))


def ledger_agrees_with_the_psp(before: Totals, after: Totals, log: Sequence[LogLine]) -> Check:
    """What the ledger says the PSP owes us moved by what its log says: captures less refunds less its fees."""
    owed: Counter[str] = Counter()
    fees: Counter[str] = Counter()
    signs = {("payment", "captured"): 1, ("capture", "captured"): 1, ("refund", "refunded"): -1}
    for line in log:
        currency = line["currency"]
        if currency is None:
            continue
        moved = signs.get((line["operation"], line["result"]), 0) * line["amount"]
        if line["operation"] == "reversal" and line["result"] == "refunded":
            moved = -line["amount"]
        owed[currency] += moved - line["fee"]
        fees[currency] += line["fee"]
    wrong = []
    for currency in sorted(owed):
        for code, expected in (("psp_receivable", owed[currency]), ("psp_fee", fees[currency])):
            moved = after.get((currency, code), 0) - before.get((currency, code), 0)
            if moved != expected:
                wrong.append(f"{code} in {currency} moved by {moved}, the PSP's log says {expected}")
    return Check("the PSP's debt and fees in the ledger are those of its log", 2 * len(owed), tuple(wrong))


def merchants_are_owed_what_they_earned(paid: list[Paid], balances: Mapping[tuple[str, str], int]) -> Check:
    """A merchant's pending and available money is captured less platform fees less refunds.

    `balances` has minor units owed by (merchant id, currency), pending and available together.
    """
    earned: Counter[tuple[str, str]] = Counter()
    for payment in paid:
        intent = payment.intent
        fees = sum(capture["platform_fee"] or 0 for capture in intent["captures"])
        key = (payment.merchant.id, intent["currency"])
        earned[key] += intent["amount_captured"] - fees - intent["amount_refunded"] - intent["amount_refund_pending"]
    wrong = [
        f"{merchant} is owed {balances.get((merchant, currency), 0)} {currency}, earned {amount}"
        for (merchant, currency), amount in sorted(earned.items())
        if balances.get((merchant, currency), 0) != amount
    ]
    return Check("each merchant is owed what it earned", len(earned), tuple(wrong))


def trial_balance_is_zero(after: Totals) -> Check:
    """Debits equal credits in every currency, over all accounts."""
    sums: Counter[str] = Counter()
    for (currency, _), amount in after.items():
        sums[currency] += amount
    wrong = tuple(f"{currency}: {amount}" for currency, amount in sorted(sums.items()) if amount)
    return Check("the trial balance is zero in every currency", len(sums), wrong)


def nothing_is_left_moving(paid: list[Paid], planned: int) -> Check:
    """Every planned payment came to an end, and the API refused nothing that a shop would not expect."""
    wrong = [f"{payment.intent['id']} was refused: {', '.join(payment.refused)}" for payment in paid if payment.refused]
    if len(paid) != planned:
        wrong.append(f"{planned - len(paid)} payments did not end")
    return Check("every payment came to an end", planned, tuple(wrong))


def repeats_changed_nothing(paid: list[Paid]) -> Check:
    """The first request of each payment, sent once more under its key, was answered with the same payment."""
    wrong = [
        f"{payment.intent['id']}: its repetition answered {payment.repeated_id}"
        for payment in paid
        if payment.repeated_id != payment.intent["id"]
    ]
    return Check("a repeated request is the same payment, not another", len(paid), tuple(wrong))
