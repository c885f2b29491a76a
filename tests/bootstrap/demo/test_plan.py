"""The demo's plan: the same seed, the same purchases; each of them possible."""

from bootstrap.demo.plan import plan


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan(200, 4, seed=7) == plan(200, 4, seed=7)
    assert plan(200, 4, seed=7) != plan(200, 4, seed=8)


def test_no_payment_asks_for_more_than_was_authorized_or_captured() -> None:
    for payment in plan(2_000, 4, seed=1):
        assert payment.amount > 0
        assert sum(payment.captures) <= payment.amount
        assert sum(refund.amount for refund in payment.refunds) <= sum(payment.captures)
        assert all(part > 0 for part in payment.captures)
        assert payment.captures or payment.cancel_rest


def test_every_kind_of_payment_is_in_it() -> None:
    planned = plan(300, 4, seed=1)
    assert {payment.currency for payment in planned} == {"EUR", "USD", "GBP", "INR", "JPY", "KWD"}
    assert {payment.merchant for payment in planned} == {0, 1, 2, 3}
    assert {payment.capture_method for payment in planned} == {"automatic", "manual"}
    assert any(len(payment.captures) == 2 for payment in planned)
    assert any(payment.refunds for payment in planned)
    assert any(not payment.captures for payment in planned)
    assert any("decline" in payment.token for payment in planned)
    assert any("reset_after" in payment.token for payment in planned)
