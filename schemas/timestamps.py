"""Times as the outside reads them: RFC 3339 in UTC with milliseconds; inside they are Unix milliseconds."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 3339, section 5.6, whose letters may be small too; not all that ISO 8601 allows, such as dates by week.
_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999


@lru_cache(maxsize=4096)
def _to_the_second(at_s: int) -> str:
    # Answers of one moment share their seconds, and an object repeats them.
    return (_EPOCH + timedelta(seconds=at_s)).isoformat(timespec="seconds").removesuffix("+00:00")


def rfc3339(at_ms: int) -> str:
    """`2026-10-05T09:30:00.000Z` for Unix milliseconds."""
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{_to_the_second(seconds)}.{milliseconds:03}Z"


def rfc3339_or_null(at_ms: int | None) -> str | None:
    """The same, with null for no time."""
    return None if at_ms is None else rfc3339(at_ms)


def parse_rfc3339(text: str, *, up: bool = False) -> int:
    """Unix milliseconds of an RFC 3339 time with an offset; what is finer is cut off, or rounded `up`.

    Raises:
        ValueError: no RFC 3339 time, one without an offset, or one that is not of the years 1 … 9999 in UTC.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError("a time is written with its offset, as in 2026-10-05T09:30:00Z")
    local, fraction, sign, hours, minutes = found.groups(default="")
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    since = datetime.fromisoformat(local.upper()).replace(tzinfo=UTC) - _EPOCH + (offset if sign == "-" else -offset)
    at_ms = since // timedelta(milliseconds=1) + int(fraction[:3].ljust(3, "0"))
    at_ms += up and bool(fraction[3:].strip("0"))
    if not _FIRST_MS <= at_ms <= _LAST_MS:
        raise ValueError("a time is of the years 1 to 9999 in UTC")
    return at_ms
