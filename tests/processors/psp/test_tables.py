"""Amounts, routes and declines: the tables a new PSP adds rows to."""

import pytest

from processors.psp.amounts import RULES, PspAmount, from_psp, to_psp
from processors.psp.declines import decline
from processors.psp.idempotency import WINDOW_MS
from processors.psp.routing import ROUTES, Route, route_for
from schemas.errors import AmountNotRepresentable, PaymentMethodNotSupported


@pytest.mark.parametrize(
    ("psp", "amount", "currency", "written"),
    [
        ("simulator", 1_234, "EUR", PspAmount(1_234, 2)),
        ("simulator", 1_234, "JPY", PspAmount(1_234, 0)),
        ("simulator", 1_234, "BHD", PspAmount(1_234, 3)),
        ("adyen", 500, "CLP", PspAmount(50_000, 2)),
        ("adyen", 500, "ISK", PspAmount(50_000, 2)),
        ("adyen", 50_000, "IDR", PspAmount(500, 0)),
        ("adyen", 50_000, "CVE", PspAmount(500, 0)),
        ("stripe", 500, "ISK", PspAmount(50_000, 2)),
        ("stripe", 500, "CLP", PspAmount(500, 0)),
        ("stripe", 50_000, "MGA", PspAmount(500, 0)),
        ("stripe", 1_230, "KWD", PspAmount(1_230, 3)),
    ],
)
def test_an_amount_is_written_as_the_psp_writes_it_and_read_back(
    psp: str, amount: int, currency: str, written: PspAmount
) -> None:
    assert to_psp(psp, amount, currency) == written
    assert from_psp(psp, written.amount, currency) == amount


@pytest.mark.parametrize(
    ("psp", "amount", "currency"),
    [("adyen", 50_001, "IDR"), ("stripe", 50_050, "MGA"), ("stripe", 1_234, "KWD"), ("adyen", 1, "CVE")],
)
def test_an_amount_is_never_rounded(psp: str, amount: int, currency: str) -> None:
    with pytest.raises(AmountNotRepresentable):
        to_psp(psp, amount, currency)


def test_a_psps_fraction_of_our_smallest_unit_is_refused() -> None:
    with pytest.raises(AmountNotRepresentable):
        from_psp("adyen", 50_001, "ISK")


def test_the_first_route_that_fits_wins_and_says_why() -> None:
    card_only = Route(
        psp="a",
        account="x",
        methods=frozenset({"card"}),
        currencies=frozenset({"EUR"}),
        livemode=True,
        reason="live_cards_in_euro",
    )
    routes = (card_only, *ROUTES)

    assert route_for("card", "EUR", livemode=True, routes=routes).reason == "live_cards_in_euro"
    assert route_for("card", "EUR", livemode=False, routes=routes).psp == "simulator"
    assert route_for("card", "USD", livemode=True, routes=routes).psp == "simulator"
    assert route_for("upi", "EUR", livemode=True, routes=routes).psp == "simulator"
    with pytest.raises(PaymentMethodNotSupported, match="no PSP takes card in EUR in test mode"):
        route_for("card", "EUR", livemode=False, routes=(card_only,))
    assert all(route.psp in RULES and route.psp in WINDOW_MS for route in ROUTES)


def test_a_psps_own_word_for_a_no_is_kept_beside_ours() -> None:
    ours, theirs = decline("lost_card", network_code="41"), decline("r2d2")

    assert (ours.code, ours.category, ours.retryable, ours.network_code) == ("lost_card", "hard", False, "41")
    assert (theirs.code, theirs.category, theirs.psp_code) == ("generic_decline", "soft", "r2d2")
