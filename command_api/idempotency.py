"""Idempotency keys: the same key and the same request is the same command, in whatever process, for as long as the log.

Sources: draft-ietf-httpapi-idempotency-key-header (a key is a structured-field string, RFC 8941 section 3.3.3, so the
quoted form is the proper one; the bare form is what most clients send) and RFC 8785 for the body.
"""

import re
from typing import Final
from uuid import UUID

import msgspec
from prometheus_client import Counter

from schemas.card_numbers import is_card_number
from schemas.errors import (
    FieldError,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    PanNotAllowed,
)
from schemas.framing import command_key, digest
from schemas.records import Record

HEADER: Final = "idempotency-key"
_BARE: Final = re.compile(r"[\x21\x23-\x7e][\x21-\x7e]{0,254}")
_QUOTED: Final = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_MAX_LENGTH: Final = 255
_COMMANDS: Final = Counter(
    "guilder_commands",
    "Commands on payments that were taken: new ones, and repeats of one that was there.",
    ["taken_as"],
)
NEW_COMMANDS: Final = _COMMANDS.labels("new")
REPEATED_COMMANDS: Final = _COMMANDS.labels("repeat")


class CommandIdentity(msgspec.Struct, frozen=True):
    """Under which key a command happens at most once, and what request the key stands for."""

    key: UUID
    request_hash: bytes

    def require_same_request(self, first: Record) -> None:
        """Raise `IdempotencyKeyReused` unless `first`, the record that owns the key, came from this very request."""
        if first.request_hash != self.request_hash:
            raise IdempotencyKeyReused


def parse_idempotency_key(header: str | None) -> str:
    """The key that an `Idempotency-Key` header spells: 1 to 255 visible ASCII characters; `"k"` and `k` are one key.

    Raises:
        IdempotencyKeyMissing: there is no such header.
        IdempotencyKeyInvalid: longer, empty, with a blank, or with a quote that is not closed.
        PanNotAllowed: it is a card number.
    """
    if header is None:
        raise IdempotencyKeyMissing
    key = header
    if not _BARE.fullmatch(header):
        quoted = _QUOTED.fullmatch(header)
        key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else ""
        if not 1 <= len(key) <= _MAX_LENGTH:
            raise IdempotencyKeyInvalid
    if is_card_number(key):
        raise PanNotAllowed([FieldError("Idempotency-Key", "bad_format", "is a card number")])
    return key


def identify(
    merchant_id: UUID, key: str, *, livemode: bool, method: str, path: str, canonical_body: bytes
) -> CommandIdentity:
    """The identity of a merchant's command: keys of live and test mode, and of two merchants, never meet."""
    return CommandIdentity(
        command_key(merchant_id.bytes, "live" if livemode else "test", key),
        digest("guilder/request/v1", method, path, canonical_body),
    )
