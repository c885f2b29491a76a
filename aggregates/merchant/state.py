"""What is known of one merchant: the fold of its stream."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from schemas.events.fees import IntentFeePlan

DEFAULT_SETTLEMENT_DELAY_S: Final = 2 * 24 * 60 * 60
_NOBODY = UUID(int=0)


class FeePlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The platform's fees: parts per million, and minor units by currency. Version 0 is the plan of nobody's asking."""

    version: int = 0
    rate_ppm: int = 0
    fixed: Mapping[str, int] = {}
    refund_fee: Mapping[str, int] = {}
    returned_on_refund: bool = False


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key by its SHA-256 (lower-case hex); `expires_at` is Unix ms, null for never."""

    id: UUID
    sha256: str
    scopes: tuple[str, ...]
    livemode: bool
    expires_at: int | None
    issued_at: int
    revoked_at: int | None = None

    def works_at(self, now_ms: int) -> bool:
        """Whether it is neither revoked nor, at `now_ms`, expired."""
        return self.revoked_at is None and (self.expires_at is None or now_ms < self.expires_at)


class Merchant(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A merchant; `version` 0 is one that does not exist."""

    id: UUID = _NOBODY
    version: int = 0
    name: str = ""
    country: str = ""
    fee_plan: FeePlan = FeePlan()
    settlement_delay_s: int = DEFAULT_SETTLEMENT_DELAY_S
    keys: Mapping[UUID, ApiKey] = {}
    registered_at: int = 0

    @property
    def exists(self) -> bool:
        """Whether it was registered."""
        return self.version > 0


def intent_fee_plan(state: Merchant, currency: str) -> IntentFeePlan:
    """The plan of this moment, narrowed to a currency, as a payment intent keeps it."""
    plan = state.fee_plan
    return IntentFeePlan(
        version=plan.version,
        rate_ppm=plan.rate_ppm,
        fixed=plan.fixed.get(currency, 0),
        refund_fee=plan.refund_fee.get(currency, 0),
        returned_on_refund=plan.returned_on_refund,
        rounding="half_up",
    )
