"""Ids that route themselves: UUIDs whose 12 `rand_a` bits hold the shard, and their public spelling.

A fresh id is a UUIDv7 (RFC 9562 section 5.7); one that is minted from others is a UUIDv8 (section 5.8) with the same
12 bits, so any id leads to its shard without a look-up. Outside, an id is a prefix and 26 characters of Crockford
base32 (https://www.crockford.com/base32.html), written in upper case and read in either.
"""

import hashlib
from enum import StrEnum
from typing import Final
from uuid import UUID

from schemas.framing import framed

MAX_SHARDS: Final = 4096
_ENTROPY_BYTES: Final = 8
_BODY_LENGTH: Final = 26
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_UNUSED: Final = "ILOUilou"
# To the digits that Python reads in base 32; what is no letter of the alphabet becomes what is no digit.
_DIGITS: Final = str.maketrans(
    _ALPHABET + _ALPHABET[10:].lower() + _UNUSED,
    "0123456789abcdefghijklmnopqrstuv" + "abcdefghijklmnopqrstuv" + "z" * len(_UNUSED),
)
_SHIFTS: Final = tuple(range(120, -1, -10))


class Prefix(StrEnum):
    """What kind of thing a public id names."""

    MERCHANT = "mer"
    PAYMENT_INTENT = "pi"
    REFUND = "re"
    CAPTURE = "cap"
    ATTEMPT = "att"
    EVENT = "evt"
    OPERATION = "op"
    API_KEY = "key"
    CASE = "case"
    LEDGER_ACCOUNT = "acc"


class MalformedId(ValueError):
    """A text that is no public id of the kind that was asked for."""


def uuid7_bytes(shard: int, at_ms: int, entropy: bytes) -> bytes:
    """The 16 bytes of a UUIDv7 of `at_ms` (Unix milliseconds) that carries `shard` (0 … 4095); `entropy` is 8 random bytes."""
    if not 0 <= shard < MAX_SHARDS:
        raise ValueError(f"shard {shard} is not in 0 … {MAX_SHARDS - 1}")
    if len(entropy) != _ENTROPY_BYTES:
        raise ValueError("entropy must be 8 bytes")
    high = (at_ms & ((1 << 48) - 1)) << 16 | 0x7 << 12 | shard
    low = int.from_bytes(entropy) & ((1 << 62) - 1) | 0b10 << 62
    return high.to_bytes(8) + low.to_bytes(8)


def uuid7(shard: int, at_ms: int, entropy: bytes) -> UUID:
    """A UUIDv7, as `uuid7_bytes` spells it."""
    return UUID(bytes=uuid7_bytes(shard, at_ms, entropy))


def derived_id(shard: int, *parts: bytes | int | str | UUID | None) -> UUID:
    """The UUIDv8 of SHA-256 over the parts, framed in the domain `guilder/id/v1`, that carries `shard`: the same parts, the same id."""
    digest = int.from_bytes(hashlib.sha256(framed("guilder/id/v1", *parts)).digest()[:16])
    top = digest >> 80
    return UUID(int=top << 80 | 0x8 << 76 | shard << 64 | 0b10 << 62 | digest & ((1 << 62) - 1))


def shard_of(identifier: UUID) -> int:
    """The shard (0 … 4095) that an id carries."""
    return (identifier.int >> 64) & 0xFFF


def public_id(prefix: Prefix, identifier: UUID) -> str:
    """How the outside spells an id: `pi_06F8…`, 26 characters of Crockford base32 behind the prefix."""
    number = identifier.int
    return prefix + "_" + "".join([_PAIRS[(number >> shift) & 0x3FF] for shift in _SHIFTS])


def parse_public_id(prefix: Prefix, text: str) -> UUID:
    """The id that `text` spells.

    Raises:
        MalformedId: another prefix, another length, a letter outside the alphabet, or more than 128 bits.
    """
    head, _, body = text.partition("_")
    if head != prefix or len(body) != _BODY_LENGTH:
        raise MalformedId(f"an id of this kind is {prefix}_ and {_BODY_LENGTH} characters of Crockford base32")
    try:
        # Python takes blanks, signs, underscores and digits of other scripts for part of a number as well.
        number = int(body.translate(_DIGITS), 32) if body.isascii() and body.isalnum() else None
    except ValueError:
        number = None
    if number is None:
        wrong = next(letter for letter in body if letter.upper() not in _ALPHABET or not letter.isascii())
        raise MalformedId(f"{wrong!r} is no letter of Crockford base32")
    if number >> 128:
        raise MalformedId("an id has 128 bits; this text spells more")
    return UUID(int=number)
