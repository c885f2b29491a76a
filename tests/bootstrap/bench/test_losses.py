"""Two accounts that disagree are found, whichever of them is wrong."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from bootstrap.bench.losses import RULES, STEPS, Losses, compared

A, B = UUID(int=1), UUID(int=2)
EVENTS = [(intent, step) for intent in (A, B) for step in STEPS]
POSTED = [(intent, rule) for intent in (A, B) for rule in RULES]
ATTEMPTS = ["a1", "a2", "b1", "b2"]


def test_accounts_that_agree_have_lost_nothing() -> None:
    losses = compared([A, B], EVENTS, POSTED, ATTEMPTS, ATTEMPTS)
    assert losses == Losses(payments=2, answers=0, events=0, ledger=0, psp=0)
    assert losses.total == 0


@pytest.mark.parametrize("answered", [[A], [A, A, B], [A, B, UUID(int=3)]], ids=["none", "twice", "of nothing"])
def test_an_answer_too_few_or_too_many(answered: Sequence[UUID]) -> None:
    assert compared(answered, EVENTS, POSTED, ATTEMPTS, ATTEMPTS).answers == 1


def test_a_step_that_the_log_lacks_or_has_twice() -> None:
    assert compared([A, B], EVENTS[1:], POSTED, ATTEMPTS, ATTEMPTS).events == 1
    assert compared([A, B], [*EVENTS, EVENTS[1]], POSTED, ATTEMPTS, ATTEMPTS).events == 1


def test_a_transaction_that_the_ledger_lacks_or_has_twice() -> None:
    assert compared([A, B], EVENTS, POSTED[1:], ATTEMPTS, ATTEMPTS).ledger == 1
    assert compared([A, B], EVENTS, [*POSTED, POSTED[3]], ATTEMPTS, ATTEMPTS).ledger == 1
    assert compared([A, B], EVENTS, [], ATTEMPTS, ATTEMPTS).total == len(POSTED)


@pytest.mark.parametrize("done", [ATTEMPTS[1:], [*ATTEMPTS, "a1"], [*ATTEMPTS, "x"]], ids=["none", "twice", "unasked"])
def test_money_that_the_psp_moved_otherwise_than_once(done: Sequence[str]) -> None:
    assert compared([A, B], EVENTS, POSTED, ATTEMPTS, done).psp == 1
