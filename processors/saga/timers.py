"""What time brings about: a hold runs out (its PSP is asked first), captured funds become available."""

from collections.abc import Mapping
from typing import Final

import msgspec

from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import ExpireAuthorization, MakeFundsAvailable
from processors.psp.provider import Answer, InquiryReply, PaymentServiceProvider, Pending
from processors.saga.ladder import DELAYS_MS, jittered
from processors.saga.orders import inquiry_of
from processors.saga.steps import ClaimedStep, Finish, NewStep
from processors.saga.telling import TIMER, Log
from schemas.clock import Clock
from schemas.events.psp import Source
from schemas.framing import command_key

_STILL_HELD_MS: Final = 3_600_000


class Lapsed(msgspec.Struct, frozen=True):
    """The hold is over: by the PSP's word (`inquiry`), or by its long silence past the deadline (`timer`)."""

    confirmed_by: Source


class AskAgain(msgspec.Struct, frozen=True):
    """The PSP is to be asked again `delay_ms` from now, before scaling."""

    delay_ms: int


def expiry_verdict(reply: InquiryReply, *, expired_at: int, round_no: int) -> Lapsed | AskAgain:
    """What the PSP's word on a hold that should have run out at `expired_at` (Unix ms) means. Pure.

    A hold of which a part was captured never shows as expired; there the PSP's own deadline says it.
    """
    match reply:
        case Answer(lapsed=True) | Answer(approved=False):
            return Lapsed("inquiry")
        case Answer(expires_at=int(deadline), captured=int(captured)) if captured > 0 and deadline <= expired_at:
            return Lapsed("inquiry")
        case Answer() | Pending():
            return AskAgain(DELAYS_MS[round_no - 1] if round_no <= len(DELAYS_MS) else _STILL_HELD_MS)
        case _ if round_no <= len(DELAYS_MS):
            return AskAgain(DELAYS_MS[round_no - 1])
        case _:
            return Lapsed("timer")


class Timers:
    """Takes the steps `expiry` and `availability`. `delay_scale` multiplies the delays between inquiries."""

    def __init__(
        self, *, log: Log, providers: Mapping[str, PaymentServiceProvider], clock: Clock, delay_scale: float
    ) -> None:
        self._log = log
        self._providers = providers
        self._clock = clock
        self._delay_scale = delay_scale

    async def make_available(self, step: ClaimedStep) -> Finish:
        """The settlement delay of the capture `step.subject` is over."""
        intent = await self._log.read(step)
        available_on = intent.state.captures[step.subject].available_on
        assert available_on is not None, "the step was scheduled by the capture's success"
        # With scaled delays the step comes early by the clock; it stands for the moment it was scheduled for.
        now_ms = max(self._clock.now_ms(), available_on)
        await self._log.tell(
            step,
            intent,
            MakeFundsAvailable(capture_id=step.subject, now_ms=now_ms),
            key=command_key(step.subject, "available"),
            source="timer",
            actor=TIMER,
            effective_at=available_on,
        )
        return Finish(step=step, result="available", following=None)

    async def expire(self, step: ClaimedStep) -> Finish:
        """The hold of the authorization `step.subject` should have run out."""
        intent = await self._log.read(step)
        state = intent.state
        if not _may_expire(state) or state.expires_at is None:
            return Finish(step=step, result="not_needed", following=None)
        assert state.authorization is not None
        attempt = state.attempts[state.authorization.attempt_id]
        reply = await self._providers[attempt.psp].inquire(inquiry_of(state, attempt))
        verdict = expiry_verdict(reply, expired_at=state.expires_at, round_no=step.round_no)
        if isinstance(verdict, AskAgain):
            return Finish(step=step, result="still_held", following=self._ask_again(step, verdict))
        await self._log.tell(
            step,
            intent,
            ExpireAuthorization(now_ms=max(self._clock.now_ms(), state.expires_at), confirmed_by=verdict.confirmed_by),
            key=command_key(step.subject, "expired"),
            source=verdict.confirmed_by,
            actor=TIMER,
            effective_at=state.expires_at,
        )
        return Finish(step=step, result="expired", following=None)

    def _ask_again(self, step: ClaimedStep, verdict: AskAgain) -> NewStep:
        delay_ms = jittered(verdict.delay_ms, step.subject, step.try_no) * self._delay_scale
        return NewStep(
            subject=step.subject,
            kind=step.kind,
            try_no=step.try_no + 1,
            round_no=step.round_no + 1,
            shard=step.shard,
            stream_id=step.stream_id,
            operation_id=step.operation_id,
            target=step.target,
            cause_id=step.cause_id,
            traceparent=step.traceparent,
            in_doubt=False,
            due_at=self._clock.now_ms() + round(delay_ms),
        )


def _may_expire(state: PaymentIntent) -> bool:
    return state.authorization is not None and state.expired_at is None and state.uncaptured > 0
