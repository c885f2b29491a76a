"""Fee plans and fees, in integers: rates in parts per million, fixed parts in minor units."""

from typing import Literal

import msgspec


class IntentFeePlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The merchant's plan as it stood when the intent was created, narrowed to the intent's currency."""

    version: int
    rate_ppm: int
    fixed: int
    refund_fee: int
    returned_on_refund: bool
    rounding: Literal["half_up"]


class PlatformFee(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one capture pays to the platform, in minor units; total = percent + fixed."""

    percent: int
    fixed: int
    total: int
