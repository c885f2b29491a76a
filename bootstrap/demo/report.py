"""The demo's tables: what happened, who is owed what, and whether the books agree."""

from collections import Counter
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table

from bootstrap.demo.books import Owed
from bootstrap.demo.checks import Check, Totals
from bootstrap.demo.shoppers import Paid
from schemas.money import Money


def _money(amount: int, currency: str) -> str:
    return Money(amount, currency).decimal_text()


def outcomes(console: Console, paid: Sequence[Paid]) -> None:
    """How the payments ended, by status."""
    table = Table(title="Payments", title_justify="left")
    for heading in ("status", "payments", "captured", "refunded"):
        table.add_column(heading, justify="left" if heading == "status" else "right")
    statuses = Counter(payment.intent["status"] for payment in paid)
    for status, count in statuses.most_common():
        ended = [payment.intent for payment in paid if payment.intent["status"] == status]
        table.add_row(
            status,
            str(count),
            str(sum(intent["amount_captured"] > 0 for intent in ended)),
            str(sum(intent["amount_refunded"] > 0 for intent in ended)),
        )
    declines = Counter(
        payment.intent["last_payment_error"]["code"] for payment in paid if payment.intent["last_payment_error"]
    )
    console.print(table)
    if declines:
        console.print(
            "Refused by the PSP (the newest reason of each payment): "
            + ", ".join(f"{code} {count}" for code, count in declines.most_common()),
            soft_wrap=True,
        )


def doubts(console: Console, paid: Sequence[Paid], doubted: Collection[str]) -> None:
    """How many attempts at the PSP had an outcome that nobody knew for a while, and how those ended."""
    attempts = [attempt for payment in paid for attempt in payment.intent["attempts"]]
    ended = Counter(attempt["status"] for attempt in attempts if attempt["id"] in doubted)
    found = "".join(f", {count} {status}" for status, count in ended.most_common())
    console.print(f"Unknown for a while: {ended.total()} of {len(attempts)} attempts at the PSP{found}", soft_wrap=True)


def money_owed(console: Console, owed: Sequence[Owed]) -> None:
    """What each merchant is owed, pending and available."""
    table = Table(title="Owed to merchants", title_justify="left")
    for heading in ("merchant", "currency", "pending", "available"):
        table.add_column(heading, justify="left" if heading == "merchant" else "right")
    for line in owed:
        table.add_row(
            line.merchant.name,
            line.currency,
            _money(line.pending, line.currency),
            _money(line.available, line.currency),
        )
    console.print(table)


def trial_balance(console: Console, totals: Totals) -> None:
    """Every account code of every currency, debits positive, and each currency's sum; it fits 80 columns."""
    table = Table(title="Trial balance (debit +, credit −)", title_justify="left")
    table.add_column("currency", no_wrap=True)
    table.add_column("account", no_wrap=True)
    table.add_column("balance", justify="right", no_wrap=True)
    for currency in sorted({currency for currency, _ in totals}):
        balances = {code: amount for (of, code), amount in sorted(totals.items()) if of == currency}
        for number, (code, amount) in enumerate(balances.items()):
            table.add_row("" if number else currency, code, _money(amount, currency))
        table.add_row("", "sum", _money(sum(balances.values()), currency), style="bold", end_section=True)
    console.print(table)
    console.print("It covers the test mode of the whole installation, earlier demos included.", soft_wrap=True)


def checks(console: Console, made: Sequence[Check]) -> None:
    """Each check with how much it looked at, and the first places where it does not hold."""
    for check in made:
        mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
        console.print(f"  {mark} {check.name} [dim]({check.looked_at})[/dim]")
        for place in check.wrong[:5]:
            console.print(f"      [red]{place}[/red]")
