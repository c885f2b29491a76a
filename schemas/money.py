"""Money: whole minor units of one ISO 4217 currency. Never a float, never a decimal."""

import msgspec

from schemas.currencies import exponent_of

MAX_AMOUNT = 999_999_999_999


class Money(msgspec.Struct, frozen=True, order=True, gc=False):
    """`amount` minor units (cents, yen, fils) of `currency`; both sides of any arithmetic are of one currency."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        exponent_of(self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return other.amount

    def decimal_text(self) -> str:
        """`12.34` for 1234 EUR, `1234` for JPY, `1.234` for BHD."""
        exponent = exponent_of(self.currency)
        sign, digits = ("-" if self.amount < 0 else ""), str(abs(self.amount)).rjust(exponent + 1, "0")
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else sign + digits


def round_half_up_ppm(amount: int, rate_ppm: int) -> int:
    """`amount` (≥ 0 minor units) × `rate_ppm` parts per million, halves rounded up, in integers throughout."""
    return (amount * rate_ppm + 500_000) // 1_000_000
