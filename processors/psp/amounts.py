"""How each PSP writes money: ISO 4217's decimals but for these, and never an inexact conversion.

Sources: Adyen, "Currency codes and minor units"; Stripe, "Supported currencies" (special cases).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.currencies import exponent_of
from schemas.errors import AmountNotRepresentable

_THREE_DECIMALS: Final = 3


class AmountRules(msgspec.Struct, frozen=True, kw_only=True):
    """`exponents` are the currencies in which a PSP differs from ISO; three-decimal amounts are multiples of a step."""

    exponents: Mapping[str, int] = {}
    three_decimal_step: int = 1


RULES: Final[Mapping[str, AmountRules]] = {
    "simulator": AmountRules(),
    "adyen": AmountRules(exponents={"CLP": 2, "ISK": 2, "CVE": 0, "IDR": 0}),
    "stripe": AmountRules(exponents={"ISK": 2, "MGA": 0}, three_decimal_step=10),
}


class PspAmount(msgspec.Struct, frozen=True):
    """`amount` in a PSP's minor units, with `exponent` decimals."""

    amount: int
    exponent: int


def to_psp(psp: str, amount: int, currency: str) -> PspAmount:
    """`amount` ISO minor units of `currency` as `psp` writes them.

    Raises:
        AmountNotRepresentable: the PSP has fewer decimals, or coarser steps, than the amount needs.
    """
    rules = RULES[psp]
    ours = exponent_of(currency)
    theirs = rules.exponents.get(currency, ours)
    if ours == _THREE_DECIMALS and amount % rules.three_decimal_step:
        raise AmountNotRepresentable(f"{psp} takes {currency} in steps of {rules.three_decimal_step}")
    return PspAmount(_rescaled(amount, ours, theirs, f"{psp} cannot write {amount} {currency}"), theirs)


def from_psp(psp: str, amount: int, currency: str) -> int:
    """The ISO minor units that `amount` in `psp`'s own means.

    Raises:
        AmountNotRepresentable: it names a fraction of our smallest unit.
    """
    ours = exponent_of(currency)
    theirs = RULES[psp].exponents.get(currency, ours)
    return _rescaled(amount, theirs, ours, f"{psp} named {amount} {currency} with {theirs} decimals")


def _rescaled(amount: int, exponent: int, wanted: int, detail: str) -> int:
    if wanted >= exponent:
        return amount * int(10 ** (wanted - exponent))
    whole, rest = divmod(amount, int(10 ** (exponent - wanted)))
    if rest:
        raise AmountNotRepresentable(detail)
    return whole
