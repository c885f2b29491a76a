"""How long each PSP remembers an idempotency key. After that a repeat could be a second charge, so it is not sent.

Source: the simulator's contract (24 h of simulated time). An hour is kept in hand for clocks that differ and calls that
take their time.
"""

from collections.abc import Mapping
from typing import Final

_HOUR_MS: Final = 3_600_000

WINDOW_MS: Final[Mapping[str, int]] = {"simulator": 23 * _HOUR_MS}
