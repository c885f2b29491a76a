"""Times outside are RFC 3339 in UTC with milliseconds, and nothing is lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timestamps import parse_rfc3339, rfc3339, rfc3339_or_null

# From year 1 to year 9999, as RFC 3339 has four digits for it.
times = st.integers(-62_135_596_800_000, 253_402_300_799_999)


@given(times)
def test_a_time_comes_back(at_ms: int) -> None:
    text = rfc3339(at_ms)
    assert len(text) == len("2026-10-05T09:30:00.000Z")
    assert text.endswith("Z")
    assert parse_rfc3339(text) == at_ms


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_791_192_600_007, "2026-10-05T09:30:00.007Z"),
    ],
)
def test_known_times(at_ms: int, text: str) -> None:
    assert rfc3339(at_ms) == text


def test_null_stays_null() -> None:
    assert rfc3339_or_null(None) is None
    assert rfc3339_or_null(0) == rfc3339(0)


def test_an_offset_is_heeded_and_needed() -> None:
    assert parse_rfc3339("2026-10-05T11:30:00.007+02:00") == 1_791_192_600_007
    for text in ("2026-10-05T09:30:00", "yesterday"):
        with pytest.raises(ValueError, match=r".+"):
            parse_rfc3339(text)
