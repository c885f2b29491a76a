"""Captures: a hold, or a part of it, becomes money."""

from typing import Literal
from uuid import UUID

import msgspec

from schemas.events.fees import PlatformFee
from schemas.events.psp import Decline, PspFee, PspResult

MerchantAccount = Literal["merchant_pending", "merchant_available"]


class Slice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` minor units of a merchant account, of the lot of one capture where the account is pending."""

    account: MerchantAccount
    capture_id: UUID | None
    amount: int


class CaptureRequested(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` minor units are to be captured; `final` releases the rest of the hold with it."""

    operation_id: UUID
    capture_id: UUID
    amount: int
    final: bool


class PaymentCaptured(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` was captured and `hold_released` (with the rest when final) left the hold.

    `available_on` (Unix ms) is when the merchant may have the lot, amount less `platform_fee.total`.
    """

    result: PspResult
    capture_id: UUID
    amount: int
    final: bool
    hold_released: int
    platform_fee: PlatformFee
    fee_plan_version: int
    psp_fee: PspFee
    available_on: int


class CaptureFailed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A definitive no to a capture; the hold stands as before."""

    result: PspResult
    decline: Decline
    capture_id: UUID
    amount: int


class CaptureReversed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PSP took a captured amount back; `taken_from` says which merchant money pays for it."""

    result: PspResult
    capture_id: UUID
    amount: int
    platform_fee_returned: int
    psp_fee_returned: int
    taken_from: tuple[Slice, ...]
    reason: str


class PspFeeAdjusted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PSP's fee of a capture turned out to differ by `delta` minor units (either sign)."""

    result: PspResult
    capture_id: UUID
    delta: int
    currency: str
    status: Literal["known", "unknown"]


class FundsMadeAvailable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A capture's lot, `amount` minor units (negative where refunds and fees outweigh it), became available."""

    capture_id: UUID
    amount: int
    available_on: int
