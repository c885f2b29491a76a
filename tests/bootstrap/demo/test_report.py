"""The demo's tables, as a terminal of 80 columns shows them."""

import io

from rich.console import Console

from bootstrap.demo import report
from bootstrap.demo.plan import plan
from bootstrap.demo.shoppers import Merchant, Paid


def shown() -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_trial_balance_of_many_currencies_is_whole_at_80_columns() -> None:
    currencies = ("EUR", "GBP", "INR", "JPY", "KWD", "USD")
    totals = {(currency, "merchant_available"): -123_456_789_012 for currency in currencies}
    totals |= {(currency, "psp_receivable"): 123_456_789_012 for currency in currencies}
    console = shown()
    report.trial_balance(console, totals)
    text = text_of(console)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for currency, amount in (("EUR", "1234567890.12"), ("JPY", "123456789012"), ("KWD", "123456789.012")):
        rows = text[text.index(currency) :].splitlines()
        assert f"-{amount}" in rows[0]
        assert amount in rows[1]
        assert "sum" in rows[2]
    assert "whole installation" in text


def test_attempts_that_were_unknown_are_told_with_how_they_ended() -> None:
    statuses = {"att_1": "succeeded", "att_2": "succeeded", "att_3": "failed", "att_4": "succeeded"}
    paid = Paid(
        planned=plan(1, 1, seed=1)[0],
        merchant=Merchant(id="mer_1", name="Shop", api_key="gk_test_1"),
        intent={"id": "pi_1", "attempts": [{"id": each, "status": status} for each, status in statuses.items()]},
        repeated_id="pi_1",
        positions={},
        refused=(),
        requests=1,
    )
    console = shown()
    report.doubts(console, [paid], {"att_1", "att_2", "att_3"})
    said = "Unknown for a while: 3 of 4 attempts at the PSP, 2 succeeded, 1 failed\n"
    assert text_of(console) == said
