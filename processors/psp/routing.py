"""Which PSP an authorization goes to: one table, first row that fits wins; all later operations follow the money."""

from typing import Final

import msgspec

from schemas.errors import PaymentMethodNotSupported
from schemas.events.payment_intent import PaymentMethodType


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a PSP, and what it takes; null takes every currency."""

    psp: str
    account: str
    methods: frozenset[PaymentMethodType]
    currencies: frozenset[str] | None
    reason: str


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        psp="simulator",
        account="default",
        methods=frozenset({"card", "upi", "wallet", "netbanking"}),
        currencies=None,
        reason="only_route",
    ),
)


def route_for(method: PaymentMethodType, currency: str, routes: tuple[Route, ...] = ROUTES) -> Route:
    """Where an authorization with `method` in `currency` goes.

    Raises:
        PaymentMethodNotSupported: no row takes it.
    """
    for route in routes:
        if method in route.methods and (route.currencies is None or currency in route.currencies):
            return route
    raise PaymentMethodNotSupported(f"no PSP takes {method} in {currency}")
