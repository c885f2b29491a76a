"""Money and currencies: exact integers, and the ISO table that the contract spells out."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.currencies import EXPONENTS, UnknownCurrency, exponent_of
from schemas.money import MAX_AMOUNT, Money, round_half_up_ppm

amounts = st.integers(0, MAX_AMOUNT)
EXPONENT_0 = [
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
]
EXPONENT_3 = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]


def test_the_lists_of_the_contract() -> None:
    assert sorted(code for code, exponent in EXPONENTS.items() if exponent == 0) == EXPONENT_0
    assert sorted(code for code, exponent in EXPONENTS.items() if exponent == 3) == EXPONENT_3
    assert set(EXPONENTS.values()) == {0, 2, 3}


def test_every_code_is_three_capital_letters() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isalpha() and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize("code", ["EUR", "USD", "GBP", "INR", "CHF", "CNY", "BRL", "ZAR", "NGN", "MGA", "MRU"])
def test_all_others_have_two_decimals(code: str) -> None:
    assert exponent_of(code) == 2


@pytest.mark.parametrize(
    "code",
    ["CLF", "UYW", "XAU", "XAG", "XPT", "XPD", "XTS", "XXX", "XDR", "XSU", "XUA", "XBA", "eur", "EURO", "", "DEM"],
)
def test_what_no_payment_can_be_in(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        exponent_of(code)
    with pytest.raises(UnknownCurrency):
        Money(1, code)


@given(amounts, st.integers(0, 1_000_000))
def test_a_rate_is_rounded_half_up_exactly(amount: int, rate_ppm: int) -> None:
    exact = Fraction(amount * rate_ppm, 1_000_000)
    rounded = round_half_up_ppm(amount, rate_ppm)
    assert -Fraction(1, 2) < rounded - exact <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("amount", "rate_ppm", "fee"),
    [(6000, 29_000, 174), (9000, 29_000, 261), (17, 29_000, 0), (34, 29_000, 1), (51, 29_000, 1), (50, 10_000, 1)],
)
def test_figures_of_the_contract(amount: int, rate_ppm: int, fee: int) -> None:
    assert round_half_up_ppm(amount, rate_ppm) == fee


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1234, "EUR"), "12.34"),
        (Money(5, "EUR"), "0.05"),
        (Money(-5, "EUR"), "-0.05"),
        (Money(0, "EUR"), "0.00"),
        (Money(1234, "JPY"), "1234"),
        (Money(-7, "JPY"), "-7"),
        (Money(1234, "BHD"), "1.234"),
        (Money(1, "BHD"), "0.001"),
    ],
)
def test_decimal_text(money: Money, text: str) -> None:
    assert money.decimal_text() == text


@given(amounts, amounts)
def test_money_of_one_currency_adds_up(one: int, other: int) -> None:
    assert Money(one, "EUR") + Money(other, "EUR") == Money(one + other, "EUR")
    assert Money(one, "EUR") - Money(other, "EUR") == Money(one - other, "EUR")


def test_money_of_two_currencies_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(ValueError, match="do not add up"):
        Money(1, "EUR") - Money(1, "USD")
