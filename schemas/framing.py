"""The framing of everything that is hashed, so that two different lists of fields never give the same bytes.

A domain tag ending in a zero byte, then each field behind its length as 4 bytes, big-endian. Integers are 8 bytes
big-endian, UUIDs their 16 raw bytes, text UTF-8, and null a length of 0.
"""

import hashlib
from uuid import UUID


def _raw(field: bytes | int | str | UUID | None) -> bytes:
    match field:
        case bytes():
            return field
        case int():
            return field.to_bytes(8)
        case str():
            return field.encode()
        case UUID():
            return field.bytes
        case None:
            return b""


def framed(domain: str, *fields: bytes | int | str | UUID | None) -> bytes:
    """`domain` and `fields` as the bytes that are hashed."""
    pieces = [domain.encode(), b"\0"]
    for field in fields:
        # Most fields are bytes or text; every command is framed three times.
        raw = field if isinstance(field, bytes) else field.encode() if isinstance(field, str) else _raw(field)
        pieces += (len(raw).to_bytes(4), raw)
    return b"".join(pieces)


def digest(domain: str, *fields: bytes | int | str | UUID | None) -> bytes:
    """SHA-256 (32 bytes) over the framed fields."""
    return hashlib.sha256(framed(domain, *fields)).digest()


def command_key(*parts: bytes | int | str | UUID | None) -> UUID:
    """The 16-byte key under which a command happens at most once, spelled as a UUID for PostgreSQL."""
    return UUID(bytes=digest("guilder/command/v1", *parts)[:16])
