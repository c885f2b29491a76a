"""What a PSP told us, as events keep it: records that several events share."""

from typing import Literal
from uuid import UUID

import msgspec

Source = Literal["http", "retry", "inquiry", "psp_webhook", "settlement", "timer", "operator"]
DeclineCategory = Literal["hard", "soft", "data", "technical"]


class PspResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a PSP's definitive answer came from, and how to find it again at the PSP.

    `psp_reference` is the PSP's id of the payment, `psp_operation_reference` that of this one operation on it;
    `psp_processed_at` is the PSP's own clock in Unix milliseconds; `tries` counts the calls it took; `raw_sha256` is
    the lower-case hex SHA-256 of the answer's body.
    """

    operation_id: UUID
    attempt_id: UUID
    psp: str
    psp_account: str
    psp_reference: str | None
    psp_operation_reference: str | None
    network_reference: str | None
    psp_processed_at: int | None
    resolved_by: Source
    tries: int
    raw_sha256: str | None


class Decline(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A definitive negative: our `code`, whose `category` says what may follow, and the words of PSP and network."""

    code: str
    category: DeclineCategory
    psp_code: str | None
    network_code: str | None
    advice_code: str | None
    retryable: bool


class PspFee(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the PSP keeps, in minor units; `unknown` stands at 0 until a `PspFeeAdjusted` trues it up."""

    amount: int
    currency: str
    status: Literal["known", "unknown"]


class CardFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the PSP said of the card; never its number."""

    scheme: str | None
    country: str | None
    funding: str | None
