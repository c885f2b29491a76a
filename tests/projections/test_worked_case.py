"""The worked case of the payments contract, section 3, to the last cent."""

from collections import Counter

import pytest

from projections.ledger import LedgerTransaction, post
from projections.ledger.accounts import MEMO_CODES
from schemas.identifiers import Prefix, public_id
from tests.projections.history import worked_case


def transactions(steps: int) -> list[LedgerTransaction]:
    return [transaction for recorded in worked_case().recorded[:steps] for transaction in post(recorded)]


def balances(steps: int) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for transaction in transactions(steps):
        for line in transaction.lines:
            totals[line.account.code] += line.amount
    return dict(totals)


@pytest.mark.parametrize(("steps", "hold"), [(1, 10000), (2, 4000), (3, 1000), (4, 0)])
def test_the_hold_shrinks_with_each_capture_and_the_void(steps: int, hold: int) -> None:
    assert balances(steps)["auth_hold"] == hold
    assert balances(steps)["auth_contra"] == -hold


@pytest.mark.parametrize(
    ("steps", "receivable", "pending", "available", "transit"),
    [
        pytest.param(4, 8901, -8709, 0, 0, id="captures and void"),
        pytest.param(5, 8901, -3709, 0, -5000, id="refund requested"),
        pytest.param(6, 3901, -3709, 0, 0, id="refunded"),
        pytest.param(8, 3901, 0, -3709, 0, id="available"),
    ],
)
def test_the_balances_are_those_of_the_contract(
    steps: int, receivable: int, pending: int, available: int, transit: int
) -> None:
    expected = {
        "auth_hold": 0,
        "auth_contra": 0,
        "psp_receivable": receivable,
        "psp_fee": 99,
        "merchant_pending": pending,
        "merchant_available": available,
        "refund_in_transit": transit,
        "platform_fee": -291,
    }
    assert {code: balances(steps).get(code, 0) for code in expected} == expected
    assert sum(expected.values()) == 0


def test_it_takes_14_transactions_of_28_entries_and_turns_over_43099() -> None:
    done = transactions(8)
    lines = [line for transaction in done for line in transaction.lines]
    memo = [line.amount for line in lines if line.account.code in MEMO_CODES]
    assert len(done) == 14
    assert len(lines) == 28
    assert sum(line.amount for line in lines if line.amount > 0) == 43099
    assert sum(-line.amount for line in lines if line.amount < 0) == 43099
    assert sum(amount for amount in memo if amount > 0) == 20000


def test_parties_stand_behind_the_accounts_that_have_one() -> None:
    merchant = public_id(Prefix.MERCHANT, worked_case().merchant_id)
    assert {str(line.account) for transaction in transactions(8) for line in transaction.lines} == {
        "auth_hold",
        "auth_contra",
        "psp_receivable:simulator",
        "psp_fee",
        "platform_fee",
        "refund_in_transit:simulator",
        f"merchant_pending:{merchant}",
        f"merchant_available:{merchant}",
    }
