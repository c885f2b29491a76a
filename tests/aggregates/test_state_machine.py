"""Any order of commands, answers (late, repeated, contradicting), timers and reversals: what always holds."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent.commands import (
    AdjustPspFee,
    ExpireAuthorization,
    MakeFundsAvailable,
    OpenCase,
    PspOutcome,
    RecordCaptureReversal,
    RecordOutcome,
    RecordRefundReversal,
    RecordUnknown,
    StartAttempt,
)
from aggregates.payment_intent.state import Attempt, PaymentIntent
from schemas.errors import Rejected
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationRequested,
    AuthorizationVoided,
    CancellationFailed,
    CaptureFailed,
    LateSuccessReceived,
    LateSuccessReversed,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentCaptured,
    PaymentRefunded,
    RefundFailed,
    RefundRequested,
)
from schemas.events.fees import IntentFeePlan
from schemas.events.psp import Decline, PspFee, PspResult
from schemas.money import round_half_up_ppm
from tests.aggregates import scenario as s
from tests.aggregates.books import Books

_NEGATIVE = (AuthorizationDeclined, CaptureFailed, CancellationFailed, RefundFailed)
_POSITIVE = (PaymentAuthorized, PaymentCaptured, AuthorizationVoided, PaymentRefunded)

amounts = st.integers(1, 400)
# Percent of what could be asked for; null for all of it, and above a hundred for too much.
shares = st.sampled_from([None, 1, 10, 20, 30, 50, 100, 130])
fees = st.none() | st.integers(0, 9)
wants = st.sampled_from(["authorize", *["capture"] * 5, *["refund"] * 3, "cancel"])
fates = st.sampled_from(["leave", "start", "yes", "yes", "no"])
plans = st.builds(
    IntentFeePlan,
    version=st.just(2),
    rate_ppm=st.sampled_from([0, 29_000, 333_333, 500_000]),
    fixed=st.sampled_from([0, 30]),
    refund_fee=st.sampled_from([0, 7]),
    returned_on_refund=st.booleans(),
    rounding=st.just("half_up"),
)
declines = st.builds(
    Decline,
    code=st.sampled_from(["do_not_honor", "lost_card"]),
    category=st.sampled_from(["hard", "soft", "data", "technical"]),
    psp_code=st.none(),
    network_code=st.none(),
    advice_code=st.none(),
    retryable=st.booleans(),
)


Draw = Callable[[st.SearchStrategy[Any]], Any]
Choice = TypeVar("Choice")
MOVES = (
    *["the_merchant_asks"] * 8,
    *["the_psp_answers"] * 3,
    "the_psp_answers_again",
    "the_psp_answers_late",
    "the_saga_starts_an_attempt",
    "the_saga_undoes_a_late_success",
    "the_saga_knows_nothing",
    "the_psp_takes_a_capture_back",
    "the_psp_takes_a_refund_back",
    "captured_funds_become_available",
    "the_hold_runs_out",
)


def _part(whole: int, share: int | None) -> int | None:
    return None if share is None else max(1, whole * share // 100)


class AnyOrder(RuleBasedStateMachine):
    """One intent, whatever happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.scenario = s.Scenario()
        self.books = Books()
        self.now_ms = s.T0
        self.number = 0
        self.negative: set[UUID] = set()
        self.positive: set[UUID] = set()

    @property
    def state(self) -> PaymentIntent:
        return self.scenario.state

    def fresh(self) -> str:
        self.number += 1
        return f"name-{self.number}"

    def tell(self, command: payment_intent.Command) -> None:
        before = self.scenario
        try:
            self.scenario = before.after(command)
        except Rejected:
            return
        for event in self.scenario.caused:
            self.books.post(event)
            self._check_caps(event)
            self._check_finality(event)

    def _check_caps(self, event: Any) -> None:
        if isinstance(event, RefundRequested):
            state = self.state
            assert state.refunded + state.refund_pending <= state.captured - state.captured_reversed
            assert sum(part.amount for part in event.funding) == event.amount

        if isinstance(event, PaymentCaptured) and event.final:
            assert self.state.uncaptured == 0
        if isinstance(event, PaymentCanceled):
            assert self.state.captured == self.state.uncaptured == 0

    def _check_finality(self, event: Any) -> None:
        result: Any = getattr(event, "result", None)
        if isinstance(event, _NEGATIVE):
            assert result.operation_id not in self.positive | self.negative
            self.negative.add(result.operation_id)
        if isinstance(event, _POSITIVE):
            assert result.operation_id not in self.negative
            self.positive.add(result.operation_id)

    @initialize(
        amount=amounts,
        plan=plans,
        method=st.sampled_from(["manual", "manual", "manual", "automatic"]),
        fate=st.sampled_from([None, "leave", "no", "yes", "yes", "yes", "yes"]),
    )
    def create(self, amount: int, plan: IntentFeePlan, method: Any, fate: str | None) -> None:
        name = self.fresh()
        self.tell(s.create(amount, capture_method=method, plan=plan, authorize=None if fate is None else name))
        if fate is not None:
            self._let_happen(s.named(name), fate)

    def _let_happen(self, operation_id: UUID, fate: str) -> None:
        """Requests alone rarely meet their answers in a random order, so most are answered at once."""
        operation = self.state.operations.get(operation_id)
        if fate == "leave" or operation is None or operation.ended_version is not None:
            return
        attempt_id = self.named_after(operation_id)
        self.tell(self._start(operation_id, operation.kind, attempt_id, str(attempt_id)))
        if fate in {"yes", "no"}:
            self._answer(self.state.attempts[attempt_id], None if fate == "yes" else s.DECLINED, 3, 0, differs=False)

    @staticmethod
    def named_after(operation_id: UUID) -> UUID:
        return s.named(f"{operation_id}.1")

    @rule(data=st.data(), move=st.sampled_from(MOVES))
    def something_happens(self, data: st.DataObject, move: str) -> None:
        """One rule for all moves: as rules of their own, Hypothesis would leave most of them out of each run."""
        getattr(self, move)(data.draw)

    def the_merchant_asks(self, draw: Draw) -> None:
        state, name = self.state, self.fresh()
        want, share, fate = draw(wants), draw(shares), draw(fates)
        if not state.authorized and want != "cancel":
            # Before there is money, only an authorization leads on; the rest is asked all the same, now and then.
            want = "authorize" if share else want
        if want == "authorize":
            self.tell(s.request_authorization(name))
        elif want == "capture":
            final = draw(st.sampled_from([None, None, True, False]))
            self.tell(s.request_capture(_part(state.capturable, share), name, final=final))
        elif want == "refund":
            self.tell(s.request_refund(_part(state.refundable, share), name))
        elif state.authorized or share is None:
            self.tell(s.request_cancellation(name))
        self._let_happen(s.named(name), fate)

    def the_saga_starts_an_attempt(self, draw: Draw) -> None:
        waiting = [one for one in self.state.operations.values() if one.ended_version is None and not one.attempts]
        operation = self._one_of(draw, waiting or [*self.state.operations.values()])
        if operation is not None:
            attempt_id = self.named_after(operation.id)
            self.tell(self._start(operation.id, operation.kind, attempt_id, str(attempt_id)))

    def the_saga_undoes_a_late_success(self, draw: Draw) -> None:
        late = self._one_of(draw, [*self.state.late_successes.values()])
        if late is None:
            return
        attempt_id, fate = s.named(self.fresh()), draw(fates)
        self.tell(self._start(late.operation_id, "reversal", attempt_id, late.our_reference))
        if fate in {"yes", "no"} and attempt_id in self.state.attempts:
            decline = None if fate == "yes" else s.DECLINED
            self._answer(self.state.attempts[attempt_id], decline, None, 0, differs=False)

    def the_saga_knows_nothing(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [*self.state.attempts.values()])
        if attempt is None:
            return
        tries = draw(st.sampled_from([None, 1, 2, 3]))
        if tries is None:
            self.tell(OpenCase(case_id=s.named(self.fresh()), attempt_id=attempt.id, reason="all was tried"))
            return
        self.tell(
            RecordUnknown(
                attempt_id=attempt.id, cause="timeout", http_status=None, tries=tries, next_step="retry", next_at=1
            )
        )

    def the_psp_answers(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [one for one in self.state.attempts.values() if one.open])
        if attempt is not None:
            self._answer(attempt, draw(st.none() | declines), draw(fees), 0, differs=False)

    def the_psp_answers_late(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [one for one in self.state.attempts.values() if one.status == "failed"])
        if attempt is not None:
            self._answer(attempt, None, draw(fees), 0, differs=False)

    def the_psp_answers_again(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [one for one in self.state.attempts.values() if not one.open])
        if attempt is None:
            return
        what = draw(st.sampled_from(["same", "same", "opposite", "other", "more"]))
        yes = (attempt.status == "succeeded") == (what != "opposite")
        decline = None if yes else draw(declines)
        self._answer(attempt, decline, 2, int(what == "more"), differs=what == "other")

    def the_psp_takes_a_capture_back(self, draw: Draw) -> None:
        capture = self._one_of(draw, [*self.state.captures.values()])
        if capture is None:
            return
        reference = draw(st.sampled_from(["rev_1", "rev_2", "rev_3"]))
        self.tell(
            RecordCaptureReversal(
                capture_id=capture.id,
                amount=_part(capture.amount, draw(shares)) or capture.amount,
                psp_fee_returned=draw(st.integers(0, 3)),
                result=replace(s.result("any"), psp_operation_reference=reference),
                reason="bank_returned",
            )
        )

    def the_psp_takes_a_refund_back(self, draw: Draw) -> None:
        refund = self._one_of(draw, [*self.state.refunds.values()])
        if refund is not None:
            self.tell(RecordRefundReversal(refund_id=refund.id, result=s.result("any"), decline=draw(declines)))

    def captured_funds_become_available(self, draw: Draw) -> None:
        capture = self._one_of(draw, [*self.state.captures.values()])
        if capture is None:
            return
        self.now_ms += draw(st.sampled_from([0, 1, 3])) * s.DAY_MS
        self.tell(MakeFundsAvailable(capture_id=capture.id, now_ms=self.now_ms))
        fee = draw(fees)
        if fee is not None:
            self.tell(AdjustPspFee(capture_id=capture.id, amount=fee, result=s.result("any")))

    def the_hold_runs_out(self, draw: Draw) -> None:
        self.now_ms += draw(st.sampled_from([0, 0, 1, 8])) * s.DAY_MS
        self.tell(ExpireAuthorization(now_ms=self.now_ms, confirmed_by="inquiry"))

    @staticmethod
    def _one_of(draw: Draw, choices: list[Choice]) -> Choice | None:
        return draw(st.sampled_from(choices)) if choices else None

    def _start(self, operation_id: UUID, operation: Any, attempt_id: UUID, reference: str) -> StartAttempt:
        template = s.start("any", operation)
        return replace(template, operation_id=operation_id, attempt_id=attempt_id, our_reference=reference)

    def _result(self, attempt: Attempt, *, differs: bool = False) -> PspResult:
        return replace(
            s.result("any"),
            operation_id=attempt.operation_id,
            attempt_id=attempt.id,
            psp_reference="pay_2" if differs else "pay_1",
            psp_operation_reference=f"op-{attempt.id}",
        )

    def _answer(self, attempt: Attempt, decline: Decline | None, fee: int | None, off: int, *, differs: bool) -> None:
        outcome = PspOutcome(
            result=self._result(attempt, differs=differs),
            approved=decline is None,
            amount=attempt.amount + off,
            fee=None if fee is None else PspFee(amount=fee, currency="EUR", status="known"),
            decline=decline,
            expires_at=s.HOLD_UNTIL,
        )
        case_id = s.named(self.fresh())
        self.tell(RecordOutcome(attempt_id=attempt.id, outcome=outcome, case_id=case_id, now_ms=self.now_ms))

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
        assert books.in_transit == state.refund_pending
        assert {key: amount for key, amount in books.pending.items() if amount} == {
            key: lot.rest for key, lot in state.lots.items() if lot.rest
        }
        assert all(lot.rest == 0 for lot in state.lots.values() if lot.available)
        named = {key: capture.psp_fee.amount for key, capture in state.captures.items() if capture.psp_fee}
        assert named == {key: books.psp_fees[key] for key in named}
        late = [one for one in state.late_successes.values() if one.kind == "charge" and not one.reversed]
        assert books.suspense == sum(one.amount for one in late)

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


def word_of(history: tuple[Any, ...], state: PaymentIntent) -> str:
    """The status word by the table of the contract, from the events and the amounts they name."""
    events = [recorded.event for recorded in history]
    net = state.captured - state.captured_reversed
    left = state.authorized - state.released - state.captured
    asked = [event for event in events if isinstance(event, AuthorizationRequested)]
    refused = [event for event in events if isinstance(event, AuthorizationDeclined)]
    held = any(isinstance(event, PaymentAuthorized) for event in events)
    ran_out = any(type(event).__name__ == "AuthorizationExpired" for event in events)
    table = [
        ("canceled", any(isinstance(event, PaymentCanceled) for event in events)),
        ("expired", ran_out and not state.captured and not left),
        ("failed", len(refused) == 10 or (state.captured > 0 and not net and not left and not state.refunded)),
        ("refunded", state.refunded > 0 and state.refunded >= net and not left),
        ("partially_refunded", state.refunded > 0),
        ("captured", net > 0 and not left),
        ("partially_captured", net > 0),
        ("authorized", held),
        ("processing", len(asked) > len(refused)),
        ("declined", bool(refused)),
        ("created", True),
    ]
    return next(word for word, matches in table if matches)


AnyOrder.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
