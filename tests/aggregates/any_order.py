"""Whatever may happen to a payment intent, in any order: the moves of the state machine."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
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
    Words,
)
from aggregates.payment_intent.state import Attempt, PaymentIntent
from schemas.errors import Rejected
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationVoided,
    CancellationFailed,
    CaptureFailed,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentCaptured,
    PaymentRefunded,
    RefundFailed,
    RefundRequested,
)
from schemas.events.fees import IntentFeePlan
from schemas.events.psp import Decline, PspFee, PspResult
from tests.aggregates import commands
from tests.aggregates import scenario as scenarios
from tests.aggregates.books import Books
from tests.aggregates.chances import FEE, MOVES, amounts, declines, fates, fees, plans, psps, shares, wants

_NEGATIVE = (AuthorizationDeclined, CaptureFailed, CancellationFailed, RefundFailed)
_POSITIVE = (PaymentAuthorized, PaymentCaptured, AuthorizationVoided, PaymentRefunded)

Draw = Callable[[st.SearchStrategy[Any]], Any]
Choice = TypeVar("Choice")


def _part(whole: int, share: int | None) -> int | None:
    return None if share is None else max(1, whole * share // 100)


class AnyOrder(RuleBasedStateMachine):
    """One intent, whatever happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.scenario = scenarios.Scenario()
        self.books = Books()
        self.now_ms = commands.T0
        self.number = 0
        self.negative: set[UUID] = set()
        self.positive: set[UUID] = set()
        self.told: set[tuple[UUID, Words]] = set()

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
        if isinstance(command, RecordOutcome):
            self._check_traces(command, before.state.attempts[command.attempt_id])
        for event in self.scenario.caused:
            self.books.post(event)
            self._check_caps(event)
            self._check_finality(event)

    def _check_traces(self, command: RecordOutcome, attempt: Attempt) -> None:
        """An answer that is passed over was told before, or is one no after another; what a void frees is not told."""
        outcome = command.outcome
        passed_over = not self.scenario.caused and attempt.operation != "void"
        if passed_over and (outcome.approved or attempt.status != "failed" or outcome.result.psp != attempt.psp):
            assert (attempt.id, outcome.words) in self.told
        self.told.add((attempt.id, outcome.words))

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
        self.tell(commands.create(amount, capture_method=method, plan=plan, authorize=None if fate is None else name))
        if fate is not None:
            self._let_happen(commands.named(name), fate)

    def _let_happen(self, operation_id: UUID, fate: str) -> None:
        """Requests alone rarely meet their answers in a random order, so most are answered at once."""
        operation = self.state.operations.get(operation_id)
        if fate == "leave" or operation is None or operation.ended_version is not None:
            return
        attempt_id = self.named_after(operation_id)
        self.tell(self._start(operation_id, operation.kind, attempt_id, str(attempt_id)))
        if fate in {"yes", "no"}:
            self._answer(
                self.state.attempts[attempt_id], None if fate == "yes" else commands.DECLINED, FEE, 0, differs=False
            )

    @staticmethod
    def named_after(operation_id: UUID) -> UUID:
        return commands.named(f"{operation_id}.1")

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
            self.tell(commands.request_authorization(name))
        elif want == "capture":
            final = draw(st.sampled_from([None, None, True, False]))
            self.tell(commands.request_capture(_part(state.capturable, share), name, final=final))
        elif want == "refund":
            self.tell(commands.request_refund(_part(state.refundable, share), name))
        elif state.authorized or share is None:
            self.tell(commands.request_cancellation(name))
        self._let_happen(commands.named(name), fate)

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
        attempt_id, fate = commands.named(self.fresh()), draw(fates)
        self.tell(self._start(late.operation_id, "reversal", attempt_id, late.our_reference))
        if fate in {"yes", "no"} and attempt_id in self.state.attempts:
            decline = None if fate == "yes" else commands.DECLINED
            self._answer(self.state.attempts[attempt_id], decline, None, 0, differs=False)

    def the_saga_knows_nothing(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [*self.state.attempts.values()])
        if attempt is None:
            return
        tries = draw(st.sampled_from([None, 1, 2, 3]))
        if tries is None:
            self.tell(OpenCase(case_id=commands.named(self.fresh()), attempt_id=attempt.id, reason="all was tried"))
            return
        self.tell(
            RecordUnknown(
                attempt_id=attempt.id, cause="timeout", http_status=None, tries=tries, next_step="retry", next_at=1
            )
        )

    def the_psp_answers(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [one for one in self.state.attempts.values() if one.open])
        if attempt is not None:
            self._answer(attempt, draw(st.none() | declines), draw(fees), 0, differs=False, psp=draw(psps))

    def the_psp_answers_late(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [one for one in self.state.attempts.values() if one.status == "failed"])
        if attempt is not None:
            self._answer(attempt, None, draw(fees), 0, differs=draw(st.booleans()))

    def the_psp_answers_again(self, draw: Draw) -> None:
        attempt = self._one_of(draw, [one for one in self.state.attempts.values() if not one.open])
        if attempt is None:
            return
        what = draw(st.sampled_from(["same", "same", "opposite", "other", "more"]))
        yes = (attempt.status == "succeeded") == (what != "opposite")
        decline = None if yes else draw(declines)
        self._answer(attempt, decline, FEE, int(what == "more"), differs=what == "other")

    def the_psp_takes_a_capture_back(self, draw: Draw) -> None:
        capture = self._one_of(draw, [*self.state.captures.values()])
        if capture is None:
            return
        reference = draw(st.sampled_from([None, None, "rev_1", "rev_2"]))
        told = self._more_of(capture.operation_id, draw(psps))
        self.tell(
            RecordCaptureReversal(
                capture_id=capture.id,
                amount=_part(capture.amount, draw(shares)) or capture.amount,
                psp_fee_returned=draw(st.integers(0, 5)),
                result=replace(told, psp_operation_reference=reference),
                reason="bank_returned",
            )
        )

    def the_psp_takes_a_refund_back(self, draw: Draw) -> None:
        refund = self._one_of(draw, [*self.state.refunds.values()])
        if refund is not None:
            told = self._more_of(refund.operation_id, draw(psps))
            self.tell(RecordRefundReversal(refund_id=refund.id, result=told, decline=draw(declines)))

    def captured_funds_become_available(self, draw: Draw) -> None:
        capture = self._one_of(draw, [*self.state.captures.values()])
        if capture is None:
            return
        self.now_ms += draw(st.sampled_from([0, 1, 3])) * commands.DAY_MS
        self.tell(MakeFundsAvailable(capture_id=capture.id, now_ms=self.now_ms))
        fee, told = draw(fees), self._more_of(capture.operation_id, draw(psps))
        if fee is not None:
            self.tell(AdjustPspFee(capture_id=capture.id, amount=fee.amount, currency=fee.currency, result=told))

    def the_hold_runs_out(self, draw: Draw) -> None:
        self.now_ms += draw(st.sampled_from([0, 0, 1, 8])) * commands.DAY_MS
        self.tell(ExpireAuthorization(now_ms=self.now_ms, confirmed_by="inquiry"))

    @staticmethod
    def _one_of(draw: Draw, choices: list[Choice]) -> Choice | None:
        return draw(st.sampled_from(choices)) if choices else None

    def _start(self, operation_id: UUID, operation: Any, attempt_id: UUID, reference: str) -> StartAttempt:
        template = commands.start("any", operation)
        return replace(template, operation_id=operation_id, attempt_id=attempt_id, our_reference=reference)

    def _result(self, attempt: Attempt, *, differs: bool = False) -> PspResult:
        return replace(
            commands.result("any"),
            operation_id=attempt.operation_id,
            attempt_id=attempt.id,
            psp_reference="pay_2" if differs else "pay_1",
            psp_operation_reference=f"op-{attempt.id}",
        )

    def _more_of(self, operation_id: UUID, psp: str) -> PspResult:
        """What is told of an operation that had its answer: all attempts after its first undo a late success."""
        attempts = self.state.operations[operation_id].attempts
        told = self._result(self.state.attempts[attempts[0]]) if attempts else commands.result("any")
        return replace(told, psp=psp)

    def _answer(
        self,
        attempt: Attempt,
        decline: Decline | None,
        fee: PspFee | None,
        off: int,
        *,
        differs: bool,
        psp: str = "simulator",
    ) -> None:
        outcome = PspOutcome(
            result=replace(self._result(attempt, differs=differs), psp=psp),
            approved=decline is None,
            amount=attempt.amount + off,
            fee=fee,
            decline=decline,
            expires_at=commands.HOLD_UNTIL,
        )
        self.tell(RecordOutcome(attempt_id=attempt.id, outcome=outcome, now_ms=self.now_ms))
