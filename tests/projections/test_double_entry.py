"""What holds for every event that was ever written, and what is refused because it would not."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projections.ledger import Ledger, LedgerTransaction, Line, post
from projections.ledger.accounts import AUTH_HOLD, PLATFORM_FEE, PSP_FEE, Account
from projections.ledger.postings import POSTS_NOTHING, RULES
from schemas.events import Event, RefundFailed
from tests.projections.any_event import ANY_EVENT
from tests.projections.events import DECLINE, REFUND, an_id, authorized, pending, result
from tests.projections.history import History


def test_an_event_whose_parts_do_not_add_up_is_refused() -> None:
    short = RefundFailed(
        result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=(pending("first", 119),)
    )
    with pytest.raises(AssertionError, match="off by 1 EUR"):
        post(History().add(short).recorded[0])


def test_money_of_no_currency_is_refused() -> None:
    recorded = History().add(authorized(10)).recorded[0]
    homeless = replace(recorded, envelope=replace(recorded.envelope, currency=None))
    with pytest.raises(AssertionError, match="no currency"):
        post(homeless)


@pytest.mark.parametrize("second", [Line(Account("platform_fee"), -10), Line(PSP_FEE, -10), Line(PLATFORM_FEE, -10)])
def test_memo_accounts_never_share_a_transaction_with_money(second: Line) -> None:
    with pytest.raises(AssertionError, match="mixes memo"):
        LedgerTransaction(
            event_id=an_id(1, "event"), rule="hold", currency="EUR", lines=(Line(AUTH_HOLD, 10), second), subject=REFUND
        )


def test_an_account_outside_the_chart_is_refused() -> None:
    with pytest.raises(AssertionError, match="no account of the chart"):
        Account("petty_cash")


@given(st.lists(ANY_EVENT, max_size=8))
def test_any_sequence_of_events_keeps_every_currency_at_zero(history: list[Event]) -> None:
    totals: dict[str, int] = {}
    for recorded in History().add(*history).recorded:
        transactions = post(recorded)
        assert len({t.rule for t in transactions}) == len(transactions)
        for transaction in transactions:
            assert all(line.amount for line in transaction.lines)
            change = sum(line.amount for line in transaction.lines)
            totals[transaction.currency] = totals.get(transaction.currency, 0) + change
            assert not any(totals.values())


def test_the_ledger_is_handed_every_event_that_has_a_rule_and_every_event_has_one_or_needs_none() -> None:
    assert Ledger.event_types == {event.__name__ for event in RULES}
    assert sorted([*RULES, *POSTS_NOTHING], key=str) == sorted(get_args(Event), key=str)


@given(ANY_EVENT)
def test_posting_is_a_function_of_the_event_alone(event: Event) -> None:
    recorded = History().add(event).recorded[0]
    assert post(recorded) == post(recorded)
