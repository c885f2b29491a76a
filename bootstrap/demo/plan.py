"""What the demo's customers buy: a list of payments that follows from a seed alone."""

import random
from typing import Final

import msgspec

# Typical baskets in minor units; the yen has no decimals and the Kuwaiti dinar three.
_BASKETS: Final[dict[str, tuple[int, int]]] = {
    "EUR": (4_99, 180_00),
    "USD": (5_00, 250_00),
    "GBP": (3_50, 140_00),
    "INR": (99_00, 9_000_00),
    "JPY": (480, 32_000),
    "KWD": (1_250, 60_000),
}

# What happens at the PSP, by its token, and how often in a hundred payments.
_WEATHER: Final[tuple[tuple[str, int], ...]] = (
    ("tok_ok", 64),
    ("tok_decline", 5),
    ("tok_insufficient_funds", 5),
    ("tok_lost_card", 2),
    ("tok_reset_after", 3),
    ("tok_http500_after", 3),
    ("tok_http500_before", 2),
    ("tok_wrong_amount", 2),
    ("tok_malformed", 2),
    ("tok_pending_ok", 3),
    ("tok_pending_decline", 2),
    ("tok_unavailable", 1),
    ("tok_ok+capture=reset_after", 2),
    ("tok_ok+capture=decline", 1),
    ("tok_ok+refund=reset_after", 2),
    ("tok_ok+refund=decline", 1),
)

# How often in a hundred: a sale at once, a hold that is given up, a refund, and that refund being of the whole.
_AUTOMATIC: Final = 40
_CANCELED: Final = 6
_REFUNDED: Final = 18
_WHOLLY: Final = 50


class PlannedRefund(msgspec.Struct, frozen=True):
    """`amount` minor units go back, for `reason`."""

    amount: int
    reason: str


class PlannedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment from beginning to end. `captures` are minor units in order; with none of them it is canceled."""

    number: int
    merchant: int
    amount: int
    currency: str
    token: str
    capture_method: str
    captures: tuple[int, ...]
    cancel_rest: bool
    refunds: tuple[PlannedRefund, ...]


def _happens(dice: random.Random, in_a_hundred: int) -> bool:
    return dice.randrange(100) < in_a_hundred


def _parts(dice: random.Random, amount: int) -> tuple[int, ...]:
    """How a held amount is captured: whole, in parts, or in part only."""
    match dice.choices(("whole", "halves", "most"), weights=(70, 18, 12))[0]:
        case "halves":
            return (amount // 2, amount - amount // 2)
        case "most":
            return (amount - amount // 4,)
        case _:
            return (amount,)


def _payment(dice: random.Random, number: int, merchants: int) -> PlannedPayment:
    currency = dice.choices(tuple(_BASKETS), weights=(35, 25, 10, 15, 10, 5))[0]
    low, high = _BASKETS[currency]
    # The dinar's last decimal stays zero, as shops quote it.
    amount = dice.randint(low, high) // 10 * 10 if currency == "KWD" else dice.randint(low, high)
    token = dice.choices([token for token, _ in _WEATHER], weights=[weight for _, weight in _WEATHER])[0]
    automatic = _happens(dice, _AUTOMATIC) and "capture=" not in token
    canceled = not automatic and _happens(dice, _CANCELED)
    captures = (amount,) if automatic else () if canceled else _parts(dice, amount)
    captured = sum(captures)
    refunds: tuple[PlannedRefund, ...] = ()
    if captured and ("refund=" in token or _happens(dice, _REFUNDED)):
        first = captured if _happens(dice, _WHOLLY) else max(1, captured // 3)
        refunds = (PlannedRefund(first, "customer_request"),)
    return PlannedPayment(
        number=number,
        merchant=dice.randrange(merchants),
        amount=amount,
        currency=currency,
        token=token,
        capture_method="automatic" if automatic else "manual",
        captures=captures,
        cancel_rest=canceled or captured < amount,
        refunds=refunds,
    )


def plan(payments: int, merchants: int, seed: int) -> tuple[PlannedPayment, ...]:
    """`payments` payments to `merchants` merchants; the same seed gives the same plan."""
    dice = random.Random(seed)
    return tuple(_payment(dice, number, merchants) for number in range(1, payments + 1))
