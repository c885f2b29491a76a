"""A merchant: who it is, what it pays, when it gets its money, and with which keys it calls."""

from typing import Literal
from uuid import UUID

import msgspec


class MerchantRegistered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A merchant joined; `country` is ISO 3166-1 alpha-2."""

    name: str
    country: str


class FeePlanSet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The plan for intents created from now on: `rate_ppm` parts per million and fixed minor units by currency."""

    version: int
    rate_ppm: int
    fixed: dict[str, int]
    refund_fee: dict[str, int]
    returned_on_refund: bool
    rounding: Literal["half_up"]


class SettlementDelaySet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Captured funds become available after `delay_s` seconds, for intents created from now on."""

    delay_s: int


class ApiKeyIssued(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key was handed out; only its SHA-256 (lower-case hex) is kept. `expires_at` is Unix ms, null for never."""

    key_id: UUID
    key_sha256: str
    scopes: tuple[str, ...]
    livemode: bool
    expires_at: int | None


class ApiKeyRevoked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key stopped working."""

    key_id: UUID
    reason: str
