"""The demo's audit fails where it should: each check is shown a true account and one with a fault."""

from typing import Any

import pytest

from bootstrap.demo import checks
from bootstrap.demo.plan import plan
from bootstrap.demo.shoppers import Merchant, Paid

MERCHANT = Merchant(id="mer_1", name="Shop", api_key="gk_test_1")
AUTHORIZE, CAPTURE, REFUND = "att_1", "att_2", "att_3"


def line(operation: str, reference: str, result: str, amount: int, fee: int = 0) -> dict[str, Any]:
    return {
        "operation": operation,
        "reference": reference,
        "result": result,
        "amount": amount,
        "currency": "EUR",
        "fee": fee,
    }


LOG = [
    line("payment", AUTHORIZE, "authorized", 1000),
    line("capture", CAPTURE, "captured", 1000, 11),
    line("refund", REFUND, "refunded", 400),
]
BEFORE = {("EUR", "psp_receivable"): 5000, ("EUR", "psp_fee"): 50}
AFTER = {
    ("EUR", "psp_receivable"): 5000 + 1000 - 400 - 11,
    ("EUR", "psp_fee"): 50 + 11,
    ("EUR", "merchant_pending"): -5650,
}


def paid(**changes: Any) -> Paid:
    intent = {
        "id": "pi_1",
        "status": "partially_refunded",
        "currency": "EUR",
        "amount_captured": 1000,
        "amount_refunded": 400,
        "amount_refund_pending": 0,
        "captures": [{"platform_fee": 59}],
        "attempts": [{"id": each, "status": "succeeded"} for each in (AUTHORIZE, CAPTURE, REFUND)],
    }
    return Paid(
        planned=plan(1, 1, seed=1)[0],
        merchant=MERCHANT,
        intent=intent | changes,
        repeated_id="pi_1",
        positions={0: 9},
        refused=(),
        requests=4,
    )


def test_a_true_account_passes_every_check() -> None:
    everything = [
        checks.nothing_is_left_moving([paid()], 1),
        checks.repeats_changed_nothing([paid()]),
        checks.one_success_for_each_attempt([paid()], LOG),
        checks.payments_agree_with_the_psp([paid()], LOG),
        checks.merchants_are_owed_what_they_earned([paid()], {("mer_1", "EUR"): 1000 - 59 - 400}),
        checks.ledger_agrees_with_the_psp(BEFORE, AFTER, LOG),
        checks.trial_balance_is_zero(AFTER),
    ]
    assert [check.wrong for check in everything] == [()] * 7
    assert all(check.holds for check in everything)


def test_a_check_that_looked_at_nothing_does_not_hold() -> None:
    assert not checks.trial_balance_is_zero({}).holds
    assert not checks.one_success_for_each_attempt([], LOG).holds


@pytest.mark.parametrize(
    "log",
    [
        [*LOG, line("capture", CAPTURE, "captured", 1000, 11)],  # a double charge
        LOG[:1],  # a capture that the PSP knows nothing of
        [*LOG, line("reversal", CAPTURE, "refunded", 1000)],  # one that was undone behind our back
    ],
)
def test_an_attempt_that_happened_twice_or_never_is_found(log: list[dict[str, Any]]) -> None:
    assert not checks.one_success_for_each_attempt([paid()], log).holds


def test_a_failed_attempt_that_left_money_moving_is_found() -> None:
    failed = paid(attempts=[{"id": CAPTURE, "status": "failed"}])
    assert not checks.one_success_for_each_attempt([failed], LOG).holds


def test_a_failed_attempt_whose_reference_was_barred_is_in_order() -> None:
    failed = paid(attempts=[{"id": "att_9", "status": "failed"}])
    assert checks.one_success_for_each_attempt([failed], [line("reversal", "att_9", "tombstoned", 0)]).holds


@pytest.mark.parametrize("changes", [{"amount_captured": 999}, {"amount_refunded": 0}])
def test_amounts_that_are_not_the_psps_are_found(changes: dict[str, int]) -> None:
    assert not checks.payments_agree_with_the_psp([paid(**changes)], LOG).holds


@pytest.mark.parametrize("code", ["psp_receivable", "psp_fee"])
def test_a_ledger_that_is_a_cent_off_is_found(code: str) -> None:
    off = AFTER | {("EUR", code): AFTER["EUR", code] + 1}
    assert not checks.ledger_agrees_with_the_psp(BEFORE, off, LOG).holds
    assert not checks.trial_balance_is_zero(off).holds


def test_a_merchant_that_is_owed_a_cent_less_is_found() -> None:
    assert not checks.merchants_are_owed_what_they_earned([paid()], {("mer_1", "EUR"): 540}).holds


def test_refusals_lost_payments_and_second_payments_are_found() -> None:
    assert not checks.nothing_is_left_moving([paid()], 2).holds
    twice = paid()
    assert not checks.repeats_changed_nothing([Paid(**{**_fields(twice), "repeated_id": "pi_2"})]).holds
    refused = Paid(**{**_fields(twice), "refused": ("invalid_state",)})
    assert not checks.nothing_is_left_moving([refused], 1).holds


def _fields(payment: Paid) -> dict[str, Any]:
    return {name: getattr(payment, name) for name in payment.__struct_fields__}
