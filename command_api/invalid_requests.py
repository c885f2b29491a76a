"""How many invalid requests of one merchant are answered in full.

Finding everything that is wrong with a body takes longer than doing what a good one asks for, so whoever sends nothing
but bad ones would take the process's time from all others.
"""

from typing import Final
from uuid import UUID

from schemas.errors import RateLimited

_AT_ONCE_S: Final = 2.0


class InvalidRequests:
    """Allows each merchant `per_s` invalid requests a second, those of two seconds at once; beyond, it has to wait.

    The generic cell rate algorithm (ITU-T I.371, annex A): all that is kept of a merchant is the time at which what it
    sent would have been allowed at an even pace. Times are seconds of any one steady clock.
    """

    def __init__(self, per_s: float) -> None:
        self._interval_s = 1 / per_s
        self._even_at_s: dict[UUID, float] = {}

    def require_allowance(self, merchant_id: UUID | None, now_s: float) -> None:
        """Raise `RateLimited` for a merchant that has used up its allowance; the operator has no limit."""
        # Mostly there is nobody in it; looking costs a hash in Python.
        if not self._even_at_s or merchant_id is None or merchant_id not in self._even_at_s:
            return
        ahead_s = self._even_at_s[merchant_id] - now_s
        if ahead_s <= 0:
            del self._even_at_s[merchant_id]
        elif ahead_s > _AT_ONCE_S:
            raise RateLimited("Too many invalid requests; what is wrong with them was answered to the first ones.")

    def note(self, merchant_id: UUID | None, now_s: float) -> None:
        """One more of its requests was invalid."""
        if merchant_id is not None:
            self._even_at_s[merchant_id] = max(self._even_at_s.get(merchant_id, 0.0), now_s) + self._interval_s
