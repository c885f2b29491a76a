"""`Prefer: wait=N` (RFC 7240 section 4.3): how long a client wants to wait for an outcome, in seconds."""

import re
from functools import lru_cache
from typing import Final

DEFAULT_WAIT_S: Final = 5
MAX_WAIT_S: Final = 30
_WAIT: Final = re.compile(r'(?:^|,)\s*wait\s*=\s*(?:"([0-9]+)"|([0-9]+))\s*(?=[,;]|$)', re.IGNORECASE)


@lru_cache(maxsize=256)  # clients say the same all the time
def preferred_wait_s(prefer: str | None) -> int | None:
    """The wait that `prefer` asks for, at most 30; null where it names none that can be read (then the default holds).

    The first one counts (RFC 7240 section 2), and what is not understood is ignored.
    """
    if prefer is None:
        return None
    match = _WAIT.search(prefer)
    if match is None:
        return None
    digits = (match[1] or match[2]).lstrip("0")
    # By their number first: Python reads no number of thousands of digits.
    return MAX_WAIT_S if len(digits) > len(str(MAX_WAIT_S)) else min(int(digits or "0"), MAX_WAIT_S)
