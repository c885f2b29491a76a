"""One step of an attempt: begin it in the log, ask the PSP, tell the log what it said, and say what follows."""

import logging
from collections.abc import Mapping

from aggregates.payment_intent.commands import OpenCase, PspOutcome, RecordOutcome, RecordUnknown
from aggregates.payment_intent.state import Attempt
from processors.psp.idempotency import WINDOW_MS
from processors.psp.provider import (
    AuthorizeOrder,
    CaptureOrder,
    OrderReply,
    PaymentServiceProvider,
    RefundOrder,
    ReversalOrder,
    VoidOrder,
)
from processors.saga.ladder import (
    CALLER_IS_GONE,
    Again,
    Approved,
    GiveUp,
    Negative,
    Progress,
    Stage,
    Unsure,
    Verdict,
    after_call,
    after_inquiry,
    after_overtaken,
    after_reversal,
    after_undoing,
    instead_of_call,
)
from processors.saga.orders import inquiry_of, order_of, reversal_of, start_of
from processors.saga.outcomes import outcome_key, outcome_of
from processors.saga.steps import REVERSAL_UNDER_WAY, ClaimedStep, Finish, NewStep, StepTable
from processors.saga.telling import Intent, Log
from schemas.clock import Clock
from schemas.events.psp import Source
from schemas.framing import command_key
from schemas.identifiers import derived_id

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another worker has this step by now; what only its holder may do is left to that one."""


class Attempts:
    """Takes the steps `call`, `inquiry` and `reversal`. `delay_scale` multiplies the ladder's delays."""

    def __init__(
        self,
        *,
        log: Log,
        steps: StepTable,
        providers: Mapping[str, PaymentServiceProvider],
        clock: Clock,
        delay_scale: float,
    ) -> None:
        self._log = log
        self._steps = steps
        self._providers = providers
        self._clock = clock
        self._delay_scale = delay_scale

    async def take(self, step: ClaimedStep, stage: Stage) -> Finish:
        """Take one step; its end is not written yet.

        Raises:
            LeaseLost: nothing is known and the step is another's to continue.
            Rejected, AttemptIncomplete: the step cannot be taken as things stand.
        """
        intent = await self._log.read(step)
        attempt = intent.state.attempts.get(step.subject)
        if attempt is None:
            start = start_of(step, intent.state)
            if start is None:
                return Finish(step=step, result="not_needed", following=None)
            key = command_key(step.subject, "started")
            intent = await self._log.tell(step, intent, start, key=key, source="http")
            attempt = intent.state.attempts[step.subject]
        if stage == "call" and step.in_doubt and attempt.status == "processing" and attempt.operation != "reversal":
            # Whoever held this step before may say yet that it sent nothing. From here on the log knows better (ADR 14).
            now_ms = self._clock.now_ms()
            intent = await self._tell_unknown(step, intent, attempt, CALLER_IS_GONE, now_ms)
            attempt = intent.state.attempts[step.subject]
        if not attempt.open:
            return await self._ask_about_ended(step, stage, intent, attempt)
        return await self._act(step, intent, attempt, await self._ask(step, stage, intent, attempt))

    async def _ask_about_ended(self, step: ClaimedStep, stage: Stage, intent: Intent, attempt: Attempt) -> Finish:
        """Nothing is done any more about an attempt that has ended, but about a contradiction the PSP is asked."""
        if stage == "call" or intent.state.case_of(attempt.id) is None:
            return Finish(step=step, result="ended_before", following=None)
        verdict = await self._ask(step, "inquiry", intent, attempt)
        if isinstance(verdict, Approved | Negative):
            return await self._act(step, intent, attempt, verdict)
        return Finish(step=step, result="not_known", following=None)

    async def _ask(self, step: ClaimedStep, stage: Stage, intent: Intent, attempt: Attempt) -> Verdict:
        provider = self._providers[attempt.psp]
        progress = _progress(step, stage)
        match stage:
            case "inquiry":
                return after_inquiry(progress, await provider.inquire(inquiry_of(intent.state, attempt)))
            case "reversal":
                return after_reversal(progress, await provider.reverse(reversal_of(attempt)))
            case "call":
                order = order_of(intent.state, attempt)
                if isinstance(order, ReversalOrder):
                    return after_undoing(progress, await provider.reverse(order))
                # The window is the PSP's own: a scale that shortens our delays shortens it, none lengthens it.
                window_ms = WINDOW_MS[attempt.psp] * min(1.0, self._delay_scale)
                if self._clock.now_ms() - attempt.started_at > window_ms:
                    return instead_of_call(progress)
                return after_call(progress, await _place(provider, order))

    async def _act(self, step: ClaimedStep, intent: Intent, attempt: Attempt, verdict: Verdict) -> Finish:
        match verdict:
            case Approved() | Negative():
                intent = await self._settle(step, intent, attempt, verdict)
                if intent.state.attempts[attempt.id].open:
                    # Nobody believed it. If the step is ours after all, the PSP is asked once more.
                    following = self._following(step, after_overtaken(_progress(step, "inquiry")))
                    return Finish(step=step, result="overtaken", following=following)
                result = "approved" if isinstance(verdict, Approved) else "declined"
                return Finish(step=step, result=result, following=None)
            case Again():
                following = self._following(step, verdict)
                if verdict.unsure is not None:
                    await self._tell_unknown(step, intent, attempt, verdict.unsure, following.due_at)
                return Finish(step=step, result=f"then_{verdict.stage}", following=following)
            case GiveUp():
                intent = await self._tell_unknown(step, intent, attempt, verdict.unsure, None)
                await self._open_case(step, intent, attempt, verdict.reason)
                result = REVERSAL_UNDER_WAY if verdict.under_way else "case_opened"
                return Finish(step=step, result=result, following=None)

    async def _settle(
        self, step: ClaimedStep, intent: Intent, attempt: Attempt, verdict: Approved | Negative
    ) -> Intent:
        # What a PSP answered may be told by anyone, at any time: the aggregate knows what a late answer means. A lease says
        # nothing here: it may end between any look at it and the telling.
        late = None if attempt.reverses is None else intent.state.late_successes[attempt.reverses]
        taken = None if late is None else late.psp_fee
        outcome = outcome_of(attempt, verdict, currency=intent.state.currency, tries=step.try_no, taken=taken)
        if (told := _fee_that_is_not_kept(verdict, outcome)) is not None:
            _log.warning("the fee of attempt %s is kept as unknown: the PSP named %s", attempt.id, told)
        now_ms = self._clock.now_ms()
        command = RecordOutcome(attempt_id=attempt.id, outcome=outcome, now_ms=now_ms)
        processed_at = outcome.result.psp_processed_at
        return await self._log.tell(
            step,
            intent,
            command,
            key=outcome_key(attempt.id, outcome),
            source=verdict.resolved_by,
            effective_at=now_ms if processed_at is None else processed_at,
        )

    async def _tell_unknown(
        self, step: ClaimedStep, intent: Intent, attempt: Attempt, unsure: Unsure, next_at: int | None
    ) -> Intent:
        await self._check_lease(step)
        command = RecordUnknown(
            attempt_id=attempt.id,
            cause=unsure.cause,
            http_status=unsure.http_status,
            tries=step.try_no,
            next_step=unsure.next_step,
            next_at=next_at,
        )
        key = command_key(attempt.id, "unknown", step.try_no)
        return await self._log.tell(step, intent, command, key=key, source=_source(step))

    async def _open_case(self, step: ClaimedStep, intent: Intent, attempt: Attempt, reason: str) -> None:
        await self._check_lease(step)
        case_id = derived_id(step.shard, attempt.id, "case", step.try_no)
        command = OpenCase(case_id=case_id, attempt_id=attempt.id, reason=reason)
        key = command_key(attempt.id, "case", step.try_no)
        await self._log.tell(step, intent, command, key=key, source=_source(step))

    async def _check_lease(self, step: ClaimedStep) -> None:
        if not await self._steps.is_held(step, now_ms=self._clock.now_ms()):
            raise LeaseLost(f"{step.kind} {step.try_no} of {step.subject}")

    def _following(self, step: ClaimedStep, again: Again) -> NewStep:
        return NewStep(
            subject=step.subject,
            kind=again.stage,
            try_no=step.try_no + 1,
            round_no=again.round_no,
            shard=step.shard,
            stream_id=step.stream_id,
            operation_id=step.operation_id,
            target=step.target,
            cause_id=step.cause_id,
            traceparent=step.traceparent,
            in_doubt=again.in_doubt,
            due_at=self._clock.now_ms() + round(again.delay_ms * self._delay_scale),
        )


async def _place(
    provider: PaymentServiceProvider, order: AuthorizeOrder | CaptureOrder | RefundOrder | VoidOrder
) -> OrderReply:
    match order:
        case AuthorizeOrder():
            return await provider.authorize(order)
        case CaptureOrder():
            return await provider.capture(order)
        case RefundOrder():
            return await provider.refund(order)
        case VoidOrder():
            return await provider.void(order)


def _fee_that_is_not_kept(verdict: Approved | Negative, outcome: PspOutcome) -> int | None:
    """What the PSP named as its fee, in its own units, where ours cannot say it."""
    unknown = outcome.fee is not None and outcome.fee.status == "unknown"
    return verdict.answer.fee if unknown and verdict.answer is not None else None


def _progress(step: ClaimedStep, stage: Stage) -> Progress:
    return Progress(
        attempt_id=step.subject,
        stage=stage,
        try_no=step.try_no,
        round_no=step.round_no,
        in_doubt=step.in_doubt,
    )


def _source(step: ClaimedStep) -> Source:
    if step.kind != "call":
        return "inquiry"
    return "http" if step.round_no == 1 else "retry"
