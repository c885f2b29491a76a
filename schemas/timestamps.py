"""Times as the outside reads them: RFC 3339 in UTC with milliseconds; inside they are Unix milliseconds."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_ms: int) -> str:
    """`2026-10-05T09:30:00.000Z` for Unix milliseconds."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
