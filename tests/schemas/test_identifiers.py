"""Ids: their layout by RFC 9562, the shard they carry, and their public spelling."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import (
    MAX_SHARDS,
    MalformedId,
    Prefix,
    derived_id,
    parse_public_id,
    public_id,
    shard_of,
    uuid7,
)

shards = st.integers(0, MAX_SHARDS - 1)
times = st.integers(0, 2**48 - 1)
entropy = st.binary(min_size=8, max_size=8)
KNOWN = UUID("019aadc1-e2d0-7003-8123-456789abcdef")


@given(shards, times, entropy)
def test_a_fresh_id_is_a_uuid_version_7_of_its_time_and_shard(shard: int, at_ms: int, random: bytes) -> None:
    identifier = uuid7(shard, at_ms, random)
    assert identifier.variant == "specified in RFC 4122"
    assert identifier.version == 7
    assert identifier.int >> 80 == at_ms
    assert shard_of(identifier) == shard
    # All the randomness that fits under the variant is kept.
    assert identifier.int & (2**62 - 1) == int.from_bytes(random) & (2**62 - 1)


@given(times, times, shards, entropy)
def test_later_ids_sort_behind_earlier_ones(one: int, other: int, shard: int, random: bytes) -> None:
    assert (uuid7(shard, one, random) < uuid7(shard, other, random)) == (one < other)


@pytest.mark.parametrize(("shard", "random"), [(-1, b"12345678"), (4096, b"12345678"), (0, b"1234567")])
def test_a_shard_has_twelve_bits_and_entropy_eight_bytes(shard: int, random: bytes) -> None:
    with pytest.raises(ValueError, match=r"shard|entropy"):
        uuid7(shard, 0, random)


@given(shards, st.uuids(), st.integers(0, 2**31))
def test_a_derived_id_is_a_uuid_version_8_with_the_shard(shard: int, source: UUID, number: int) -> None:
    identifier = derived_id(shard, source, number)
    assert identifier.variant == "specified in RFC 4122"
    assert identifier.version == 8
    assert shard_of(identifier) == shard
    assert derived_id(shard, source, number) == identifier
    assert derived_id(shard, source, number + 1) != identifier


def test_a_derived_id_never_changes() -> None:
    # SHA-256 over the framed parts; whoever repeats an attempt must find the same id for ever.
    assert derived_id(3, KNOWN, 1) == UUID("ff57c881-5b4b-8003-9549-a2bfec150d91")


@given(st.sampled_from(list(Prefix)), st.uuids())
def test_a_public_id_comes_back_from_either_case(prefix: Prefix, identifier: UUID) -> None:
    text = public_id(prefix, identifier)
    head, body = text.split("_")
    assert head == prefix
    assert len(body) == 26
    assert set(body) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert parse_public_id(prefix, text) == identifier
    assert parse_public_id(prefix, f"{prefix}_{body.lower()}") == identifier


@given(st.uuids(), st.uuids())
def test_public_ids_sort_as_the_ids_do(one: UUID, other: UUID) -> None:
    assert (public_id(Prefix.EVENT, one) < public_id(Prefix.EVENT, other)) == (one < other)


def test_the_spelling_is_crockford_base32() -> None:
    assert public_id(Prefix.MERCHANT, UUID(int=0)) == "mer_" + "0" * 26
    assert public_id(Prefix.REFUND, UUID(int=2**128 - 1)) == "re_7" + "Z" * 25
    assert public_id(Prefix.PAYMENT_INTENT, UUID(int=32)) == "pi_" + "0" * 24 + "10"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pi_",
        "pi",
        "pi_" + "0" * 25,
        "pi_" + "0" * 27,
        "re_" + "0" * 26,
        "PI_" + "0" * 26,
        "0" * 26,
        "pi_8" + "0" * 25,
        "pi_" + "0" * 25 + "U",
        "pi_" + "0" * 25 + "I",
        "pi_" + "0" * 25 + "L",
        "pi_" + "0" * 25 + "O",
        "pi_" + "0" * 25 + "-",
        "pi_" + "0" * 25 + "٣",
        "pi_ " + "0" * 25,
        "pi_" + "0" * 25 + "\n",
        str(KNOWN),
    ],
)
def test_what_spells_no_payment_intent_is_refused(text: str) -> None:
    with pytest.raises(MalformedId):
        parse_public_id(Prefix.PAYMENT_INTENT, text)


@given(st.text(max_size=40))
def test_no_text_crashes_the_parser(text: str) -> None:
    try:
        identifier = parse_public_id(Prefix.CAPTURE, f"cap_{text}")
    except MalformedId:
        return
    assert public_id(Prefix.CAPTURE, identifier) == f"cap_{text.upper()}"


@given(st.text("0123456789ABXZabxzILOUlou _+-.\n\u0663\u017f\u00e9", min_size=26, max_size=26))
def test_a_text_spells_an_id_only_if_each_letter_is_of_the_alphabet(body: str) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    valid = all(letter in alphabet + alphabet.lower() for letter in body) and body[0] in "01234567"
    if not valid:
        with pytest.raises(MalformedId):
            parse_public_id(Prefix.CASE, f"case_{body}")
        return
    number = 0
    for letter in body.upper():
        number = number * 32 + alphabet.index(letter)
    assert parse_public_id(Prefix.CASE, f"case_{body}").int == number


def test_each_kind_of_thing_has_a_prefix_of_its_own() -> None:
    assert len({str(prefix) for prefix in Prefix}) == len(Prefix)
    assert {"mer", "pi", "re", "cap", "att", "evt"} <= {str(prefix) for prefix in Prefix}
