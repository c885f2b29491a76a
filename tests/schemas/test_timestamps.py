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


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-05T11:30:00.007+02:00",
        "2026-10-05T04:00:00.007-05:30",
        "2026-10-05t09:30:00.007z",
        "2026-10-05 09:30:00.0079999999999Z",
    ],
)
def test_times_as_rfc_3339_writes_them(text: str) -> None:
    assert parse_rfc3339(text) == 1_791_192_600_007


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T00:00:00.0010000Z", 1),
        ("1970-01-01T00:00:00.0010001Z", 2),
        ("1970-01-01T00:00:00.0000000000001Z", 1),
        ("1969-12-31T23:59:59.9990001Z", 0),
    ],
)
def test_what_is_finer_than_a_millisecond_may_be_rounded_up(text: str, at_ms: int) -> None:
    assert parse_rfc3339(text, up=True) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-10-05T09:30:00",
        "2026-10-05T09:30Z",
        "2026-10-05T09:30:00.Z",
        "2026-W41-1T09:30:00Z",
        "20261005T093000Z",
        "2026-10-05T09:30:00+02:00:30",
        "2026-10-05T09:30:00+24:00",
        "2026-02-30T00:00:00Z",
        "2026-10-05T09:30:60Z",
        "\u0662026-10-05T09:30:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_time_of_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rfc3339(text)
