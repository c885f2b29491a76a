"""`Request-Id`: the client's own where it is fit to stand in a log, else one of ours; it is on every answer."""

import re
from itertools import count
from typing import Final
from uuid import UUID

from schemas.card_numbers import is_card_number

_FIT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


class RequestIds:
    """Accepts or mints request ids; `seed` is a fresh id that makes this process's ids unlike any other's."""

    def __init__(self, seed: UUID) -> None:
        self._prefix = f"req_{seed.hex}"
        self._numbers = count(1)

    def of(self, header: str | None) -> str:
        """The client's id when it is 1 to 128 harmless characters and no card number, else a fresh one."""
        if header is not None and _FIT.fullmatch(header) and not is_card_number(header):
            return header
        return f"{self._prefix}{next(self._numbers):x}"
