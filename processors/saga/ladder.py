"""What follows the reply of a PSP: settle, try again, ask by reference, undo, or call a person. Pure.

The ladder of design section 9: retries with the same key after 2, 4, 8, 16 and 32 seconds, then an inquiry by our
reference, then a reversal, then a manual case. All delays are Unix ms before scaling, with jitter that the attempt's id
seeds, so that deciding again decides the same.
"""

import hashlib
from typing import Final, Literal
from uuid import UUID

import msgspec

from processors.psp.declines import decline
from processors.psp.provider import (
    Answer,
    InquiryReply,
    NotFound,
    NotProcessed,
    OrderReply,
    Pending,
    ReversalReply,
    Undone,
    Unknown,
)
from schemas.events.psp import Decline, Source
from schemas.events.unknown_outcomes import NextStep, UnknownCause

Stage = Literal["call", "inquiry", "reversal"]

DELAYS_MS: Final = (2_000, 4_000, 8_000, 16_000, 32_000)
RETRIES: Final = len(DELAYS_MS)
INQUIRIES: Final = 3
INQUIRIES_WHILE_PENDING: Final = 6
_JITTER: Final = 5
"""A delay moves by at most one part in five."""
_NEXT_STEPS: Final[dict[Stage, NextStep]] = {"call": "retry", "inquiry": "inquiry", "reversal": "reversal"}


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where an attempt stands on its ladder.

    `try_no` counts all its steps from 1 and `round_no` those of this stage; `in_doubt` is set once any earlier call may
    have reached the PSP without telling us what came of it; from the first reversal on, any earlier reversal.
    """

    attempt_id: UUID
    stage: Stage
    try_no: int
    round_no: int
    in_doubt: bool


class Unsure(msgspec.Struct, frozen=True, kw_only=True):
    """What the log is told while nobody knows."""

    cause: UnknownCause
    http_status: int | None
    next_step: NextStep


CALLER_IS_GONE: Final = Unsure(cause="timeout", http_status=None, next_step="retry")
"""A worker that may have called the PSP has never come back."""


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """The PSP did it."""

    answer: Answer
    resolved_by: Source


class Negative(msgspec.Struct, frozen=True, kw_only=True):
    """It is certain that the operation stands for nothing; the PSP's `answer` where one said so."""

    decline: Decline
    answer: Answer | Undone | None
    resolved_by: Source


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Another step is due `delay_ms` from now; `unsure` is what the log is told first, if anything."""

    stage: Stage
    round_no: int
    delay_ms: int
    in_doubt: bool
    unsure: Unsure | None


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing automatic is left to try. A reversal that is `under_way` was sent and not answered: it may still arrive."""

    reason: str
    unsure: Unsure
    under_way: bool = False


Verdict = Approved | Negative | Again | GiveUp


def after_call(progress: Progress, reply: OrderReply) -> Verdict:
    """What follows the reply to an order."""
    match reply:
        case Answer():
            return _settled(reply, "retry" if progress.in_doubt or progress.round_no > 1 else "http")
        case Pending():
            return _again(progress, "inquiry", 1, in_doubt=True)
        case NotProcessed(retryable=True) if progress.round_no <= RETRIES:
            return _again(progress, "call", progress.round_no + 1, floor_ms=reply.retry_after_ms)
        case NotProcessed() if progress.in_doubt:
            # This request did nothing, but an earlier one may have: only the PSP's own word settles that.
            return _again(progress, "inquiry", 1)
        case NotProcessed():
            code = "psp_unavailable" if reply.retryable else "processing_error"
            return Negative(decline=decline(code, psp_code=reply.psp_code), answer=None, resolved_by="http")
        case Unknown() if progress.round_no <= RETRIES:
            return _again(progress, "call", progress.round_no + 1, unknown=reply)
        case Unknown():
            return _again(progress, "inquiry", 1, unknown=reply)


def instead_of_call(progress: Progress) -> Again:
    """What follows when the PSP may have forgotten the attempt's key: it is asked, not called."""
    return _again(progress, "inquiry", 1, in_doubt=True)


def after_inquiry(progress: Progress, reply: InquiryReply) -> Verdict:
    """What follows the reply to an inquiry by our reference."""
    following = progress.round_no + 1
    match reply:
        case Answer():
            return _settled(reply, "inquiry")
        case Pending() if progress.round_no < INQUIRIES_WHILE_PENDING:
            return _again(progress, "inquiry", following)
        case NotFound() | NotProcessed() if progress.round_no < INQUIRIES:
            return _again(progress, "inquiry", following)
        case Unknown() if progress.round_no < INQUIRIES:
            return _again(progress, "inquiry", following, unknown=reply)
        case _:
            # What is in doubt from here on is whether a reversal may arrive; none was sent yet.
            first = _again(progress, "reversal", 1, unknown=_as_unknown(reply))
            return msgspec.structs.replace(first, in_doubt=False)


def after_overtaken(progress: Progress) -> Again:
    """What follows a yes that is older than what the log knows: the PSP is asked again."""
    return _again(progress, "inquiry", progress.round_no + 1)


def after_reversal(progress: Progress, reply: ReversalReply) -> Verdict:
    """What follows the reply to a reversal that is to end an attempt nobody could find out about."""
    match reply:
        case Undone():
            return Negative(
                decline=decline("processing_error", psp_code=f"reversal_{reply.how}"),
                answer=reply,
                resolved_by="inquiry",
            )
        case Answer():
            return _give_up(f"the PSP refused the reversal: {_psp_code(reply)}", Unknown(cause="mismatch"))
        case NotProcessed(retryable=False):
            return _give_up(f"the PSP refused the reversal: {reply.psp_code}", _as_unknown(reply))
        case NotProcessed() if progress.round_no <= RETRIES:
            return _again(progress, "reversal", progress.round_no + 1, floor_ms=reply.retry_after_ms)
        case Unknown() if progress.round_no <= RETRIES:
            return _again(progress, "reversal", progress.round_no + 1, unknown=reply)
        case _:
            under_way = progress.in_doubt or isinstance(reply, Unknown)
            return _give_up("retries, inquiry and reversal told nothing", _as_unknown(reply), under_way=under_way)


def after_undoing(progress: Progress, reply: ReversalReply) -> Verdict:
    """What follows the reply to a reversal that is itself the operation: a late success has to be undone."""
    match reply:
        case Undone():
            undone = Answer(
                approved=True,
                amount=0,
                currency="",
                psp_reference=None,
                psp_operation_reference=reply.psp_operation_reference,
                processed_at=reply.processed_at,
                raw_sha256=reply.raw_sha256,
                fee=reply.fee,
            )
            return _settled(undone, "retry" if progress.round_no > 1 else "http")
        case Answer() | NotProcessed(retryable=False):
            return _give_up(f"the PSP refused to undo a late success: {_psp_code(reply)}", _as_unknown(reply))
        case NotProcessed() if progress.round_no <= RETRIES:
            return _again(progress, "call", progress.round_no + 1, floor_ms=reply.retry_after_ms)
        case Unknown() if progress.round_no <= RETRIES:
            return _again(progress, "call", progress.round_no + 1, unknown=reply)
        case _:
            return _give_up("a late success could not be undone", _as_unknown(reply))


def jittered(delay_ms: int, attempt_id: UUID, try_no: int) -> int:
    """`delay_ms` moved by at most a fifth either way, always the same for one attempt and try."""
    seed = hashlib.sha256(attempt_id.bytes + try_no.to_bytes(4)).digest()
    share = int.from_bytes(seed[:4])  # of 2³²
    return delay_ms - delay_ms // _JITTER + (2 * delay_ms // _JITTER * share >> 32)


def _settled(answer: Answer, resolved_by: Source) -> Approved | Negative:
    if answer.approved:
        return Approved(answer=answer, resolved_by=resolved_by)
    assert answer.decline is not None
    return Negative(decline=answer.decline, answer=answer, resolved_by=resolved_by)


def _again(
    progress: Progress,
    stage: Stage,
    round_no: int,
    *,
    unknown: Unknown | None = None,
    in_doubt: bool = False,
    floor_ms: int = 0,
) -> Again:
    delay_ms = DELAYS_MS[min(round_no - 1 if stage != "call" else round_no - 2, RETRIES - 1)]
    unsure = (
        None
        if unknown is None
        else Unsure(cause=unknown.cause, http_status=unknown.http_status, next_step=_NEXT_STEPS[stage])
    )
    return Again(
        stage=stage,
        round_no=round_no,
        delay_ms=max(jittered(delay_ms, progress.attempt_id, progress.try_no), floor_ms),
        in_doubt=progress.in_doubt or in_doubt or unknown is not None,
        unsure=unsure,
    )


def _give_up(reason: str, unknown: Unknown, *, under_way: bool = False) -> GiveUp:
    return GiveUp(
        reason=reason,
        unsure=Unsure(cause=unknown.cause, http_status=unknown.http_status, next_step="manual_case"),
        under_way=under_way,
    )


def _as_unknown(reply: Answer | Pending | NotFound | NotProcessed | Unknown) -> Unknown:
    match reply:
        case Unknown():
            return reply
        case NotProcessed():
            return Unknown(cause="reset", http_status=reply.http_status)
        case Pending():
            return Unknown(cause="timeout")
        case NotFound() | Answer():
            return Unknown(cause="mismatch")


def _psp_code(reply: Answer | NotProcessed) -> str:
    if isinstance(reply, NotProcessed):
        return reply.psp_code
    return (reply.decline.psp_code if reply.decline is not None else None) or "no reason given"
