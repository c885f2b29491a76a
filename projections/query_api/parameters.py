"""Query parameters, read strictly: what a route does not know is refused, and each stands at most once."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from schemas.currencies import UnknownCurrency, exponent_of
from schemas.errors import FieldError, FilterUnknown, ValidationFailed
from schemas.identifiers import MalformedId, Prefix, parse_public_id
from schemas.routes import Call, Parameter
from schemas.timestamps import parse_rfc3339

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 100

LIMIT: Final = Parameter(
    name="limit",
    where="query",
    description="How many objects a page holds at most.",
    json_schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR: Final = Parameter(
    name="cursor",
    where="query",
    description="The `next_cursor` of the page before, with the same filters.",
    json_schema={"type": "string"},
)
AS_OF: Final = Parameter(
    name="as_of",
    where="query",
    description="What was known at a time (RFC 3339) or at a position (`shard:position`, commas between several). The "
    "answer states the position it holds for in `Guilder-As-Of`.",
    json_schema={"type": "string", "examples": ["2026-10-05T09:30:00Z", "3:1042"]},
)
EFFECTIVE_AS_OF: Final = Parameter(
    name="effective_as_of",
    where="query",
    description="Of what was known, only what had taken effect in the world by that time (RFC 3339).",
    json_schema={"type": "string", "format": "date-time"},
)
MIN_POSITION: Final = Parameter(
    name="Guilder-Min-Position",
    where="header",
    description="Wait up to 5 s until the read model has reached this position: read your writes.",
    json_schema={"type": "string", "examples": ["3:1042"]},
)


def bad_parameter(name: str, code: str, detail: str) -> ValidationFailed:
    """The refusal of one query parameter or header."""
    return ValidationFailed([FieldError(pointer=name, code=code, detail=detail)])


class QueryParameters:
    """The query of one call, checked against the names that its route knows.

    Raises:
        FilterUnknown: a name that the route does not know.
        ValidationFailed: a name that stands twice, or a value that is not UTF-8.
    """

    def __init__(self, call: Call, known: Iterable[Parameter]) -> None:
        self._values: dict[str, str] = {}
        if not call.query:
            return
        names = {parameter.name for parameter in known if parameter.where == "query"}
        for name, value in call.query:
            if name not in names:
                known_names = ", ".join(sorted(names)) or "none"
                raise FilterUnknown(f"There is no query parameter {name!r} here; known are: {known_names}.")
            if name in self._values:
                raise bad_parameter(name, "bad_format", "stands twice")
            if not _is_unicode(value):
                raise bad_parameter(name, "bad_format", "is not UTF-8, each byte written as % and two digits")
            self._values[name] = value

    def filters(self) -> tuple[tuple[str, str], ...]:
        """All that chooses which objects the list holds, sorted: what a cursor is good for."""
        return tuple(sorted((k, v) for k, v in self._values.items() if k not in {"limit", "cursor"}))

    def filters_beside(self, *names: str) -> bool:
        """Whether anything was given but these."""
        return any(name not in names for name in self._values)

    def given(self, name: str) -> str | None:
        """Whatever was given, unchecked, or null."""
        return self._values.get(name)

    def text(self, name: str, max_length: int = 200) -> str | None:
        """A text, or null when it was not given."""
        value = self._values.get(name)
        if value is not None and len(value) > max_length:
            raise bad_parameter(name, "too_long", f"has at most {max_length} characters")
        if value is not None and "\0" in value:
            raise bad_parameter(name, "bad_format", "holds a zero byte")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        """One of `choices`, or null."""
        value = self._values.get(name)
        if value is not None and value not in choices:
            raise bad_parameter(name, "bad_format", f"is one of {', '.join(choices)}")
        return value

    def currency(self, name: str = "currency") -> str | None:
        """An ISO 4217 code, or null."""
        value = self._values.get(name)
        if value is not None:
            try:
                exponent_of(value)
            except UnknownCurrency as error:
                raise bad_parameter(name, "bad_currency", str(error)) from None
        return value

    def time(self, name: str, *, up: bool = False) -> int | None:
        """Unix milliseconds of an RFC 3339 time, or null; what is finer is cut off, or rounded `up`."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return parse_rfc3339(value, up=up)
        except ValueError:
            raise bad_parameter(
                name,
                "bad_format",
                "must be a time that exists, in RFC 3339 with its offset, such as 2026-10-05T09:30:00Z "
                "(a + is written %2B in a query)",
            ) from None

    def merchant(self, name: str = "merchant_id") -> UUID | None:
        """The id that a merchant's public id spells, or null."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return parse_public_id(Prefix.MERCHANT, value)
        except MalformedId as error:
            raise bad_parameter(name, "bad_format", str(error)) from None

    def limit(self) -> int:
        """How many objects the page holds at most: 1 … 100, 10 unless given."""
        value = self._values.get("limit")
        if value is None:
            return DEFAULT_LIMIT
        if not value.isascii() or not value.removeprefix("-").isdigit():
            raise bad_parameter("limit", "not_integer", f"is a whole number from 1 to {MAX_LIMIT}")
        # Before it is read: a number of thousands of digits is not worth the while.
        if len(value) > len(str(MAX_LIMIT)) or not 1 <= int(value) <= MAX_LIMIT:
            raise bad_parameter("limit", "out_of_range", f"is a whole number from 1 to {MAX_LIMIT}")
        return int(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def choices_schema(choices: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of a closed choice."""
    return {"type": "string", "enum": list(choices)}
