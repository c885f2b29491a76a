"""Unknown outcomes and what came of them: retries, cases, and successes that arrived too late."""

from typing import Literal
from uuid import UUID

import msgspec

from schemas.events.psp import PspFee, PspResult

UnknownCause = Literal["timeout", "reset", "5xx", "malformed", "mismatch"]
NextStep = Literal["retry", "inquiry", "reversal", "manual_case"]


class PspOutcomeUnknown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A PSP was called and nobody knows what it did with `exposure` minor units; the operation stays open.

    `next_step` will be taken at `next_at` (Unix ms).
    """

    operation_id: UUID
    attempt_id: UUID
    cause: UnknownCause
    http_status: int | None
    tries: int
    exposure: int
    next_step: NextStep
    next_at: int | None


class ManualCaseOpened(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything automatic was tried; a person has to find out what became of `exposure` minor units."""

    case_id: UUID
    attempt_id: UUID
    exposure: int
    reason: str


class LateSuccessReceived(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A success after the merchant had been told `told_status`: a `hold` is voided, a `charge` refunded once."""

    result: PspResult
    kind: Literal["hold", "charge"]
    amount: int
    psp_fee: PspFee | None
    told_status: str


class LateSuccessReversed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The late success was undone, `via` a void or a refund."""

    result: PspResult
    via: Literal["void", "refund"]
    amount: int
    psp_fee: PspFee | None
