"""How much is to be measured, and of what."""

from typing import Final

import msgspec

NAMES: Final = (
    "echo", "bare", "create", "paced", "authorize", "balance", "single", "pgbench", "rebuild", "live", "flow",
    "observed", "unobserved",
)  # fmt: skip
"""The rows by their short names, in the order in which they take turns."""
_WARM_UP_S: Final = 1.0
_WARM_UP_SHARE: Final = 0.25


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure: `seconds` for each row in each of `rounds`, and a ledger of so many paid `lifecycles`.

    `rows` are short names of `NAMES`.
    """

    seconds: float
    rounds: int
    lifecycles: int
    rows: tuple[str, ...] = NAMES

    @property
    def warm_up_s(self) -> float:
        return min(_WARM_UP_S, self.seconds * _WARM_UP_SHARE)
