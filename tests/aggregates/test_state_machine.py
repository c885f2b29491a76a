"""Any order of commands, answers (late, repeated, contradicting), timers and reversals: what always holds."""

from collections import Counter
from functools import reduce

import msgspec
from hypothesis import settings
from hypothesis.stateful import invariant

from aggregates import payment_intent
from schemas.events import LateSuccessReceived, LateSuccessReversed, ManualCaseOpened
from schemas.money import round_half_up_ppm
from tests.aggregates.any_order import AnyOrder
from tests.aggregates.status_table import word_of


class WhatAlwaysHolds(AnyOrder):
    """The invariants of a payment intent, held after every move."""

    @invariant()
    def never_more_is_captured_than_was_authorized(self) -> None:
        state = self.state
        assert 0 <= state.captured + state.capture_pending <= state.authorized - state.released
        assert state.capture_pending == sum(
            capture.amount for capture in state.captures.values() if capture.status == "processing"
        )
        assert state.capturable >= 0
        assert len(state.captures) <= 50
        assert len(state.refunds) <= 100
        assert state.authorizations_requested <= 10

    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        state, books = self.state, self.books
        assert books.off_by == 0
        assert books.hold == state.uncaptured
        assert books.in_transit.total() == state.refund_pending
        assert not state.refund_pending or books.in_transit == {"simulator": state.refund_pending}
        assert {key: amount for key, amount in books.pending.items() if amount} == {
            key: lot.rest for key, lot in state.lots.items() if lot.rest
        }
        assert all(lot.rest == 0 for lot in state.lots.values() if lot.available)
        fees = [(key, capture.psp_fee) for key, capture in state.captures.items() if capture.psp_fee]
        assert +books.psp_fees == Counter({(key, fee.currency): fee.amount for key, fee in fees if fee.amount})
        late = [one for one in state.late_successes.values() if one.kind == "charge" and not one.reversed]
        assert books.suspense == sum(one.amount for one in late)

    @invariant()
    def no_reversal_that_may_be_another_is_taken(self) -> None:
        for capture_id, taken in self.books.reversed.items():
            assert sum(amount for _, amount in taken) <= self.state.captures[capture_id].amount
            references = [reference for reference, _ in taken if reference is not None]
            assert len(references) == len(set(references))
            amounts = Counter(amount for _, amount in taken)
            assert all(amounts[amount] == 1 for reference, amount in taken if reference is None)

    @invariant()
    def each_case_is_opened_once(self) -> None:
        opened = [recorded.event for recorded in self.scenario.history if isinstance(recorded.event, ManualCaseOpened)]
        assert len(opened) == len({case.case_id for case in opened})
        assert all(case.attempt_id in self.state.attempts for case in opened)

    @invariant()
    def fees_add_up_however_captures_were_split(self) -> None:
        state = self.state
        fixed = state.fee_plan.fixed if state.captured else 0
        assert state.fee_charged == round_half_up_ppm(state.captured, state.fee_plan.rate_ppm) + fixed
        assert 0 <= state.fee_returned_on_refunds + state.fee_returned_on_reversals <= state.fee_charged

    @invariant()
    def the_word_is_the_first_of_the_table_that_matches(self) -> None:
        assert self.state.status == word_of(self.scenario.history, self.state)

    def teardown(self) -> None:
        """The log alone gives the same state as the commands one by one did."""
        folded = reduce(payment_intent.evolve, self.scenario.history, payment_intent.initial())
        assert folded == self.state
        assert folded.version == len(self.scenario.history)

    @invariant()
    def nothing_hangs(self) -> None:
        for operation in self.state.operations.values():
            if operation.ended_version is None:
                assert all(self.state.attempts[attempt].open for attempt in operation.attempts)
            else:
                assert operation.ended_version <= self.state.version

    @invariant()
    def a_late_success_goes_back_once(self) -> None:
        events = [recorded.event for recorded in self.scenario.history]
        received = [event.result.attempt_id for event in events if isinstance(event, LateSuccessReceived)]
        undone = [event.result.attempt_id for event in events if isinstance(event, LateSuccessReversed)]
        targets = [self.state.attempts[attempt].reverses for attempt in undone]
        assert len(set(received)) == len(received)
        assert len(set(targets)) == len(targets)
        assert set(targets) <= set(received)

    @invariant()
    def it_can_be_shown(self) -> None:
        if self.state.exists:
            assert msgspec.json.encode(payment_intent.resource(self.state))


WhatAlwaysHolds.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestWhatAlwaysHolds = WhatAlwaysHolds.TestCase
