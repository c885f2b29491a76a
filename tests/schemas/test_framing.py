"""The framing of what is hashed: no two lists of fields give the same bytes, unless they mean the same bytes."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.framing import command_key, digest, framed

fields = st.lists(st.binary(max_size=6), max_size=5)
domains = st.sampled_from(["guilder/record/v1", "guilder/command/v1", "guilder/id/v1"])


@given(domains, fields, domains, fields)
def test_different_fields_never_give_the_same_bytes(
    one: str, these: list[bytes], other: str, those: list[bytes]
) -> None:
    assert (framed(one, *these) == framed(other, *those)) == ((one, these) == (other, those))


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_moving_a_border_between_fields_changes_the_bytes(texts: list[str]) -> None:
    joined = "".join(texts)
    assume(texts != [joined])
    assert framed("d", *texts) != framed("d", joined)


def test_the_layout_is_the_one_of_the_contract() -> None:
    identifier = UUID(int=7)
    assert framed("guilder/id/v1", b"ab", 5, "é", identifier, None) == (
        b"guilder/id/v1\0"
        b"\0\0\0\x02ab"
        b"\0\0\0\x08\0\0\0\0\0\0\0\x05"
        b"\0\0\0\x02\xc3\xa9"
        b"\0\0\0\x10" + identifier.bytes + b"\0\0\0\0"
    )


def test_an_integer_that_does_not_fit_is_refused() -> None:
    assert framed("d", 2**64 - 1)
    for number in (-1, 2**64):
        with pytest.raises(OverflowError):
            framed("d", number)


@given(fields)
def test_a_digest_is_sha_256_and_a_command_key_its_first_half(parts: list[bytes]) -> None:
    assert digest("d", *parts) == hashlib.sha256(framed("d", *parts)).digest()
    assert command_key(*parts).bytes == digest("guilder/command/v1", *parts)[:16]
