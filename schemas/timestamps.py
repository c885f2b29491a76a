"""Times as the outside reads them: RFC 3339 in UTC with milliseconds; inside they are Unix milliseconds."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def parse_rfc3339(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time with an offset.

    Raises:
        ValueError: no RFC 3339 time, or one without an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, as in 2026-10-05T09:30:00Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
