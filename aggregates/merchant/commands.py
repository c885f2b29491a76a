"""What can be asked of a merchant's account: by the operator."""

from collections.abc import Mapping
from uuid import UUID

import msgspec


class RegisterMerchant(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A merchant joins; `country` is ISO 3166-1 alpha-2, upper case."""

    name: str
    country: str


class SetFeePlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The platform's fees for intents created from now on.

    `rate_ppm` is parts per million of what is captured; `fixed` (once an intent) and `refund_fee` (each refund) are
    minor units by currency, 0 where a currency is not named.
    """

    rate_ppm: int
    fixed: Mapping[str, int]
    refund_fee: Mapping[str, int]
    returned_on_refund: bool


class SetSettlementDelay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many seconds after a capture its funds become available, for intents created from now on."""

    delay_s: int


class IssueApiKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key is handed out; of it only the SHA-256 (64 lower-case hex digits) is kept. `expires_at` is Unix ms."""

    key_id: UUID
    key_sha256: str
    scopes: tuple[str, ...]
    livemode: bool
    expires_at: int | None


class RevokeApiKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key stops working, for good."""

    key_id: UUID
    reason: str


Command = RegisterMerchant | SetFeePlan | SetSettlementDelay | IssueApiKey | RevokeApiKey
