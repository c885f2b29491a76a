"""Refunds: captured money goes back to the payer."""

from uuid import UUID

import msgspec

from schemas.events.captures import MerchantAccount, Slice
from schemas.events.psp import Decline, PspFee, PspResult


class Funding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` minor units that a refund takes from `source`; `capture_id` names the lot where it is pending."""

    source: MerchantAccount
    capture_id: UUID | None
    amount: int


class RefundRequested(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` is to go back through `psp`, paid for by `funding`; `refund_fee` is the platform's for doing so."""

    operation_id: UUID
    refund_id: UUID
    psp: str
    amount: int
    reason: str | None
    funding: tuple[Funding, ...]
    refund_fee: int


class PaymentRefunded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`amount` went back; `arn` is the network's acquirer reference number, by which a bank finds it."""

    result: PspResult
    refund_id: UUID
    amount: int
    refund_fee: int
    platform_fee_returned: int
    psp_fee: PspFee | None
    arn: str | None


class RefundFailed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A definitive no to a refund; `restored` gives the merchant's money back to where `funding` took it."""

    result: PspResult
    decline: Decline
    refund_id: UUID
    amount: int
    restored: tuple[Slice, ...]


class RefundReversed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A refund that had succeeded came back; `restored` says where the money goes."""

    result: PspResult
    decline: Decline
    refund_id: UUID
    amount: int
    restored: tuple[Slice, ...]
