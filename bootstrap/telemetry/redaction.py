"""What no log line may hold is taken out of every one: keys, credentials, passwords and card numbers.

The last step before a line is written, whoever logged it: it sees message, fields, names of fields and tracebacks alike.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from schemas.card_numbers import is_card_number

REDACTED: Final = "[redacted]"
CARD: Final = "[card number]"

_SECRET_FIELDS: Final = frozenset(
    ("api_key", "authorization", "bearer", "cookie", "password", "proxy-authorization", "secret", "set-cookie", "token")
)
_SECRETS: Final = re.compile(
    r"""
    (?P<gk>gk_(?:live|test)_)[0-9A-Za-z_-]+                            # a merchant's key
    | (?P<header>authorization(?:["']?\s*[:=]|["']\s*,)\s*(?:b?["'])?)(?:[a-z0-9-]+\s+)?[^\s"',;)\]}]+
    | (?P<scheme>(?:bearer|basic)\s+)[^\s"',;)\]}]+                  # a credential behind its scheme
    | (?P<user>://[^\s/:@]*:)[^\s@/]+(?=@)                             # the password in an address
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MARKS: Final = ("gk_", "authorization", "bearer", "basic", "://")
"""One of these, in small letters, stands in whatever `_SECRETS` finds in ASCII; beyond it there are more letters alike."""
_DIGITS: Final = re.compile("[0-9](?:[ -]?[0-9]){12,}")
# Where a text was quoted, a number may follow an escape such as \x10, whose digits are none of its own.
_DIGITS_BEHIND_ESCAPES: Final = re.compile(
    rf"(?P<escapes>(?:\\(?:x[0-9a-f]{{2}}|u[0-9a-f]{{4}}|U[0-9a-f]{{8}}))+)(?P<digits>{_DIGITS.pattern})"
)
_GROUP: Final = re.compile(r"[0-9]+")
_SHORTEST_SECRET: Final = 6
_NAMES: Final = 1_000


class Redaction:
    """Takes secrets out of log lines; `secrets` are this process's own, whatever they look like."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        own = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._own = re.compile("|".join(map(re.escape, own))) if own else None
        self._marks = (*_MARKS, *(secret.lower() for secret in own))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """The event without them, as structlog's processors are called."""
        return {self.text(name): self.value(each, name) for name, each in event.items()}

    def value(self, value: Any, name: str = "") -> Any:
        """A field's value without them, as a value that JSON has; what it is called may forbid it altogether."""
        if _says_secret(name):
            return REDACTED
        match value:
            case None | bool() | float():
                return value
            case int():
                return CARD if is_card_number(str(value)) else value
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode(errors="replace"))
            case Mapping():
                return {self.text(str(key)): self.value(each, str(key)) for key, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(each) for each in value]
            case _:
                return self.text(str(value))

    def text(self, text: str) -> str:
        """A text without them."""
        if self._is_plain(text):
            return text
        if self._own is not None:
            text = self._own.sub(REDACTED, text)
        # Both ways, for what looks like an escape may as well be a backslash and a number.
        text = _DIGITS.sub(_without_cards, _SECRETS.sub(_without_secret, text))
        return _DIGITS_BEHIND_ESCAPES.sub(lambda found: found["escapes"] + _without_cards_in(found["digits"]), text)

    def _is_plain(self, text: str) -> bool:
        """Whether a short look is enough to tell that there is nothing to take out, as in nearly every text."""
        if not text.isascii() or _DIGITS.search(text):
            return False
        small = text.lower()
        for mark in self._marks:  # noqa: SIM110 # `any` over a generator takes twice as long
            if mark in small:
                return False
        return True


@lru_cache(maxsize=_NAMES)
def _says_secret(name: str) -> bool:
    """Whether a field of this name is never shown."""
    return name.lower().replace("-", "_") in _SECRET_FIELDS or name.lower() in _SECRET_FIELDS


def _without_secret(found: re.Match[str]) -> str:
    return (found["gk"] or found["scheme"] or found["header"] or found["user"] or "") + REDACTED


def _without_cards(found: re.Match[str]) -> str:
    return _without_cards_in(found[0])


def _without_cards_in(run: str) -> str:
    """Groups of digits, joined by blanks or dashes, without those that make a card number together."""
    groups = list(_GROUP.finditer(run))
    kept: list[str] = []
    index, end = 0, 0
    while index < len(groups):
        last = _end_of_card(groups, index)
        kept.append(run[end : groups[index].start()])
        kept.append(groups[index][0] if last is None else CARD)
        index = index if last is None else last
        end = groups[index].end()
        index += 1
    return "".join(kept)


def _end_of_card(groups: list[re.Match[str]], first: int) -> int | None:
    digits = ""
    for index in range(first, len(groups)):
        digits += groups[index][0]
        if is_card_number(digits):
            return index
    return None


def passwords_in(dsn: str | None) -> list[str]:
    """The password of a connection URL, as it is written there and as it is spoken; nothing where there is none."""
    parts = urlsplit(dsn or "")
    written = [parts.password, *(value for name, _, value in _parameters(parts.query) if name == "password")]
    return list(dict.fromkeys(spelled for password in written if password for spelled in (password, unquote(password))))


def _parameters(query: str) -> list[tuple[str, str, str]]:
    return [parameter.partition("=") for parameter in query.split("&")]
