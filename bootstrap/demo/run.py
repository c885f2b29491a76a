"""The demo from beginning to end: merchants join, customers pay, the books are compared."""

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bootstrap.clock import SYSTEM_CLOCK, random_bytes
from bootstrap.demo import checks, report
from bootstrap.demo.books import Books
from bootstrap.demo.plan import plan
from bootstrap.demo.seed import register_demo_merchant
from bootstrap.demo.shoppers import Merchant, Paid, shop
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.identifiers import Prefix, parse_public_id

_SHOPS: Final = (("Alpenhaus Outdoor", "CH"), ("Kumo Tea Company", "JP"), ("Falaj Dates", "KW"), ("Chai & Co", "IN"))
_AT_ONCE: Final = 64


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The installation that the demo runs against."""

    api: str
    psp: str
    store: StoreOptions


async def run_demo(console: Console, place: Place, *, payments: int, seed: int) -> bool:
    """Run the demo and print its tables; whether every check holds.

    Raises:
        StillMoving: a payment had no outcome within the demo's patience.
        httpx.HTTPError: the installation could not be reached or refused to answer.
    """
    console.print(f"{payments} payments to {len(_SHOPS)} merchants, seed {seed}")
    merchants, auditor_key = await _join(place)
    books = Books(place.api, place.psp, auditor_key)
    try:
        before_lines = await books.psp_log()
        before = await books.totals({})
        paid = await _pay(console, place, merchants, payments=payments, seed=seed)
        positions = _furthest(paid)
        after = await books.totals(positions)
        owed = await books.owed(merchants)
        doubted = await books.doubted_attempts(paid)
        log = await books.psp_log(after=max((line["seq"] for line in before_lines), default=0))
    finally:
        await books.close()
    report.outcomes(console, paid)
    report.doubts(console, paid, doubted)
    report.money_owed(console, owed)
    report.trial_balance(console, after)
    balances = {(line.merchant.id, line.currency): line.pending + line.available for line in owed}
    made = [
        checks.nothing_is_left_moving(paid, payments),
        checks.repeats_changed_nothing(paid),
        checks.one_success_for_each_attempt(paid, log),
        checks.payments_agree_with_the_psp(paid, log),
        checks.merchants_are_owed_what_they_earned(paid, balances),
        checks.ledger_agrees_with_the_psp(before, after, log),
        checks.trial_balance_is_zero(after),
    ]
    console.print(f"Checked against the PSP's own log ({len(log)} lines):")
    report.checks(console, made)
    return all(check.holds for check in made)


async def _join(place: Place) -> tuple[list[Merchant], str]:
    """The demo's merchants with a key each, and a key that may read the trial balance."""
    store = await EventStore.open(place.store)
    try:
        merchants = []
        for name, country in _SHOPS:
            made = await register_demo_merchant(store, SYSTEM_CLOCK, SYSTEM_IDS, name=name, country=country)
            merchants.append(Merchant(id=made.merchant_id, name=name, api_key=made.api_key))
        desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        first = parse_public_id(Prefix.MERCHANT, merchants[0].id)
        auditor = await desk.issue_key(first, livemode=False, scopes=["audit:read"])
    finally:
        await store.close()
    return merchants, auditor.text


async def _pay(console: Console, place: Place, merchants: list[Merchant], *, payments: int, seed: int) -> list[Paid]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("paying", total=payments)
        return await shop(
            place.api,
            merchants,
            plan(payments, len(merchants), seed),
            run=f"demo-{random_bytes(4).hex()}",
            at_once=_AT_ONCE,
            on_done=lambda _: progress.advance(bar),
        )


def _furthest(paid: Sequence[Paid]) -> dict[int, int]:
    """How far the log had come in each shard when the last answer was given."""
    furthest: dict[int, int] = {}
    for payment in paid:
        for shard, position in payment.positions.items():
            furthest[shard] = max(position, furthest.get(shard, 0))
    return furthest
