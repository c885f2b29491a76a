"""API keys: how one is spelled and how it is recognised.

`gk_live_` or `gk_test_`, the 26 characters of the merchant's id, `_`, and 32 random bytes in unpadded base64url (43
characters, which may hold `_` themselves). So a key names its merchant, its shard and its mode without an index. The log keeps only the SHA-256
of the whole key.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import Final
from uuid import UUID

import msgspec

from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id

SECRET_BYTES: Final = 32
_KEY: Final = re.compile(r"gk_(live|test)_([0-9A-Za-z]{26})_[0-9A-Za-z_-]{43}")


class ApiKey(msgspec.Struct, frozen=True):
    """What a well-formed key says of itself; whether it was ever issued stands in the merchant's stream."""

    merchant_id: UUID
    livemode: bool


def spell_key(merchant_id: UUID, secret: bytes, *, livemode: bool) -> str:
    """The key of `merchant_id` with the given 32 random bytes."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a key's secret has {SECRET_BYTES} bytes")
    body = public_id(Prefix.MERCHANT, merchant_id).removeprefix(f"{Prefix.MERCHANT}_")
    return f"gk_{'live' if livemode else 'test'}_{body}_{urlsafe_b64encode(secret).rstrip(b'=').decode()}"


def parse_key(text: str) -> ApiKey | None:
    """What the key says of itself; null for a text that is no key."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    mode, body = match.groups()
    try:
        return ApiKey(parse_public_id(Prefix.MERCHANT, f"{Prefix.MERCHANT}_{body}"), mode == "live")
    except MalformedId:
        return None


def key_sha256(text: str) -> str:
    """The SHA-256 by which the log knows a key, in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()
