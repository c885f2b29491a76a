"""How an operator writes a merchant's terms, and reads them: `2.9%`, `EUR=30`. What is shown can be written again."""

import re
from collections.abc import Iterable
from typing import Any, Final

import typer

from aggregates.merchant import Merchant
from schemas.currencies import UnknownCurrency
from schemas.money import Money

_PPM_OF_A_PERCENT: Final = 10_000
_MOST_PPM: Final = 1_000_000
# The sign is asked for, because 2.9, 0.029 and 29000 are all ways to write one rate, and a guess is wrong by a hundred.
_RATE: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%")
# More digits than any amount or delay has, but not so many that Python refuses to read them.
_WHOLE: Final = r"(-?[0-9]{1,20})"
_AMOUNT: Final = re.compile(rf"([A-Za-z]+)={_WHOLE}")
_SECONDS: Final = re.compile(_WHOLE)


def parse_rate(text: str) -> int:
    """Parts per million of an exact percentage.

    Raises:
        typer.BadParameter: no percentage from 0% to 100%, or one with more than four decimals.
    """
    written = _RATE.fullmatch(text)
    if written is not None:
        whole, decimals = written.groups(default="")
        rate_ppm = int(whole) * _PPM_OF_A_PERCENT + int(decimals.ljust(4, "0"))
        if rate_ppm <= _MOST_PPM:
            return rate_ppm
    raise typer.BadParameter(f"{text!r} is no percentage from 0% to 100% with at most four decimals, as in 2.9%")


def rate_text(rate_ppm: int) -> str:
    """`2.9%` for 29,000 parts per million."""
    whole, rest = divmod(rate_ppm, _PPM_OF_A_PERCENT)
    decimals = f"{rest:04}".rstrip("0")
    return f"{whole}.{decimals}%" if decimals else f"{whole}%"


def parse_amount(text: str) -> Money:
    """The money that `EUR=30` means; which amounts a plan may hold is the merchant's to say.

    Raises:
        typer.BadParameter: another form, or no currency that payments can be in.
    """
    written = _AMOUNT.fullmatch(text)
    if written is None:
        raise typer.BadParameter(f"{text!r} is not a currency and whole minor units, as in EUR=30")
    currency, amount = written.groups()
    try:
        return Money(int(amount), currency.upper())
    except UnknownCurrency as error:
        raise typer.BadParameter(str(error)) from None


def parse_seconds(text: str) -> int:
    """Seconds; how many a delay may have is the merchant's to say.

    Raises:
        typer.BadParameter: no whole number.
    """
    if _SECONDS.fullmatch(text) is None:
        raise typer.BadParameter(f"{text!r} is no whole number of seconds; two days are 172800")
    return int(text)


def by_currency(option: str, amounts: Iterable[Money]) -> dict[str, int]:
    """Minor units by currency.

    Raises:
        typer.BadParameter: a currency is named twice.
    """
    named: dict[str, int] = {}
    for money in amounts:
        if money.currency in named:
            raise typer.BadParameter(f"{money.currency} is named twice", param_hint=option)
        named[money.currency] = money.amount
    return named


def terms_of(merchant: Merchant) -> dict[str, Any]:
    """What the merchant pays and when it gets its money, field by field."""
    plan = merchant.fee_plan
    return {
        "fee_plan_version": plan.version,
        "rate": rate_text(plan.rate_ppm),
        "rate_ppm": plan.rate_ppm,
        "fixed": plan.fixed,
        "refund_fee": plan.refund_fee,
        "returned_on_refund": plan.returned_on_refund,
        "settlement_delay_s": merchant.settlement_delay_s,
    }
