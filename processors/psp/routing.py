"""Which PSP an authorization goes to: one table, first row that fits wins; all later operations follow the money."""

from typing import Final

import msgspec

from schemas.errors import PaymentMethodNotSupported
from schemas.events.payment_intent import PaymentMethodType


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a PSP, and what it takes; null takes every currency, and live money as well as test money."""

    psp: str
    account: str
    methods: frozenset[PaymentMethodType]
    currencies: frozenset[str] | None
    livemode: bool | None
    reason: str

    def takes(self, method: PaymentMethodType, currency: str, *, livemode: bool) -> bool:
        """Whether an authorization may go here."""
        return (
            method in self.methods
            and (self.currencies is None or currency in self.currencies)
            and self.livemode in (None, livemode)
        )


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        psp="simulator",
        account="default",
        methods=frozenset({"card", "upi", "wallet", "netbanking"}),
        currencies=None,
        livemode=None,
        reason="only_route",
    ),
)


def route_for(method: PaymentMethodType, currency: str, *, livemode: bool, routes: tuple[Route, ...] = ROUTES) -> Route:
    """Where an authorization with `method` in `currency`, of live or test money, goes.

    Raises:
        PaymentMethodNotSupported: no row takes it.
    """
    for route in routes:
        if route.takes(method, currency, livemode=livemode):
            return route
    raise PaymentMethodNotSupported(f"no PSP takes {method} in {currency} in {'live' if livemode else 'test'} mode")
