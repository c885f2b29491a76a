"""A verdict as the aggregate takes it: a PSP's answer in our minor units, and the key under which it is told once. Pure."""

from typing import Final
from uuid import UUID

import msgspec

from aggregates.payment_intent.commands import PspOutcome
from aggregates.payment_intent.state import Attempt
from processors.psp.amounts import from_psp
from processors.psp.provider import Answer
from processors.saga.ladder import Approved, Negative
from schemas.errors import AmountNotRepresentable
from schemas.events.psp import PspFee, PspResult
from schemas.framing import command_key, digest

_DIGEST: Final = "guilder/psp_outcome/v2"


def outcome_of(
    attempt: Attempt, verdict: Approved | Negative, *, currency: str, tries: int, taken: PspFee | None = None
) -> PspOutcome:
    """The outcome of an attempt. Its amount is the attempt's: an answer about another amount was never believed.

    `taken` is the fee that is known of what a reversal undoes.
    """
    answer = verdict.answer
    result = PspResult(
        operation_id=attempt.operation_id,
        attempt_id=attempt.id,
        psp=attempt.psp,
        psp_account=attempt.psp_account,
        psp_reference=answer.psp_reference if isinstance(answer, Answer) else None,
        psp_operation_reference=None if answer is None else answer.psp_operation_reference,
        network_reference=answer.network_reference if isinstance(answer, Answer) else None,
        psp_processed_at=None if answer is None else answer.processed_at,
        resolved_by=verdict.resolved_by,
        tries=tries,
        raw_sha256=None if answer is None else answer.raw_sha256,
    )
    if isinstance(verdict, Negative):
        # What a no costs is told where it costs something; that a PSP named nothing leaves nothing to be trued up.
        fee = _fee(attempt, answer, currency) if isinstance(answer, Answer) and answer.fee else None
        return PspOutcome(
            result=result,
            approved=False,
            amount=attempt.amount,
            fee=fee,
            decline=verdict.decline,
            never_sent=answer is None,
        )
    yes = verdict.answer
    return PspOutcome(
        result=result,
        approved=True,
        amount=attempt.amount,
        fee=_fee(attempt, yes, currency, taken),
        decline=None,
        expires_at=yes.expires_at,
        approval_code=yes.approval_code,
        card=yes.card,
    )


def outcome_key(attempt_id: UUID, outcome: PspOutcome) -> UUID:
    """The command key of an outcome: the same answer is told once, by whichever call or inquiry it came.

    What makes an answer another one is for the aggregate to say: a key that knew less would hide it a contradiction.
    """
    return command_key(attempt_id, "outcome", digest(_DIGEST, *outcome.words))


def _fee(attempt: Attempt, answer: Answer, currency: str, taken: PspFee | None = None) -> PspFee | None:
    if attempt.operation == "reversal" and not answer.fee:
        # Where nothing was left to undo, the charge's fee went back with the charge, in an answer that nobody heard.
        if answer.fee is None and taken is not None and taken.amount:
            return msgspec.structs.replace(taken, amount=-taken.amount)
        return None
    unknown = PspFee(amount=0, currency=currency, status="unknown")
    if answer.fee is None:
        return unknown
    try:
        return PspFee(amount=from_psp(attempt.psp, answer.fee, currency), currency=currency, status="known")
    except AmountNotRepresentable:
        # What became of the money is certain, and is not kept from the log for a fee that our units cannot say (ADR 12).
        return unknown
