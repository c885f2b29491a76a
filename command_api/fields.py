"""Every bad field of a body at once, each with its pointer (RFC 6901) and its code.

The happy path never comes here: a body that msgspec accepts is accepted. What it refuses is read again, slowly, against
the same types, so that the client learns of all its mistakes and not of the first one only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import inspect

from schemas.card_numbers import is_card_number
from schemas.errors import FieldError

_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Object(dict[str, Any]):
    """A JSON object that remembers which of its names came more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = [] if len(self) == len(pairs) else [name for name, n in _counts(pairs).items() if n > 1]


def _counts(pairs: list[tuple[str, Any]]) -> Counter[str]:
    return Counter(name for name, _ in pairs)


class NoNumber(float):
    """`NaN` or `Infinity`: some programs write them, JSON has no such numbers."""


def child(pointer: str, name: str | int) -> str:
    """The pointer of a member, with `~` and `/` escaped."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def card_number_pointers(document: Any, pointer: str = "") -> Iterator[str]:
    """Where the document holds card numbers; a name that is one is reported as its object, lest the answer repeat it."""
    if isinstance(document, str):
        if is_card_number(document):
            yield pointer
        return
    for name, value in _members(document):
        if isinstance(name, str) and is_card_number(name):
            yield pointer
        else:
            yield from card_number_pointers(value, child(pointer, name))


def no_number_pointers(document: Any, pointer: str = "") -> Iterator[str]:
    """Where the document holds what JSON has no number for."""
    if isinstance(document, NoNumber):
        yield pointer
    for name, value in _members(document):
        yield from no_number_pointers(value, child(pointer, name))


def text_errors(document: Any, pointer: str = "") -> Iterator[FieldError]:
    """Names that came twice (RFC 8785 wants I-JSON), and control characters or lone surrogates in texts and names."""
    if isinstance(document, str):
        if _CONTROL.search(document):
            yield FieldError(pointer, "bad_format", "holds a control character or half of a surrogate pair")
        return
    for name in getattr(document, "repeated", ()):
        yield FieldError(child(pointer, name), "bad_format", "is given more than once")
    for name, value in _members(document):
        if isinstance(name, str) and _CONTROL.search(name):
            yield FieldError(pointer, "bad_format", "has a name with a control character")
        else:
            yield from text_errors(value, child(pointer, name))


def _members(document: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(document, dict):
        return document.items()
    return enumerate(document) if isinstance(document, list) else ()


def field_errors(kind: inspect.Type, value: Any, pointer: str = "") -> Iterator[FieldError]:
    """What is wrong with `value`, which should be of `kind`: nothing, when nothing is yielded."""
    match kind:
        case inspect.Metadata():
            # A type may name what else than `bad_format` its values break, and say it better.
            extra = kind.extra or {}
            for error in field_errors(kind.type, value, pointer):
                if error.code == "bad_format":
                    yield FieldError(error.pointer, extra.get("code", error.code), extra.get("detail", error.detail))
                else:
                    yield error
        case inspect.UnionType():
            yield from _union_errors(kind, value, pointer)
        case inspect.StructType():
            yield from _struct_errors(kind, value, pointer)
        case inspect.DictType():
            yield from _dict_errors(kind, value, pointer)
        case inspect.IntType():
            yield from _int_errors(kind, value, pointer)
        case inspect.StrType():
            yield from _text_value_errors(kind, value, pointer)
        case inspect.BoolType() if not isinstance(value, bool):
            yield FieldError(pointer, "wrong_type", "must be true or false")
        case inspect.LiteralType() if not isinstance(value, str):
            yield FieldError(pointer, "wrong_type", "must be a string")
        case inspect.LiteralType() if value not in kind.values:
            yield FieldError(pointer, "bad_format", _one_of(kind.values))


def _one_of(values: tuple[Any, ...]) -> str:
    few = 12
    return "is not one of the known values" if len(values) > few else f"must be one of {', '.join(map(str, values))}"


def _struct_errors(kind: inspect.StructType, value: Any, pointer: str) -> Iterator[FieldError]:
    if not isinstance(value, dict):
        yield FieldError(pointer, "wrong_type", "must be an object")
        return
    known = {field.encode_name: field for field in kind.fields}
    for name in value:
        if name not in known and name != kind.tag_field:
            yield FieldError(child(pointer, name), "unknown_field", "is not a field of this request")
    for name, field in known.items():
        if name in value:
            yield from field_errors(field.type, value[name], child(pointer, name))
        elif field.required:
            yield FieldError(child(pointer, name), "missing", "is required")


def _union_errors(kind: inspect.UnionType, value: Any, pointer: str) -> Iterator[FieldError]:
    """Our unions are one kind or null, or objects told apart by a tag."""
    if value is None and any(isinstance(member, inspect.NoneType) for member in kind.types):
        return
    members = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
    if len(members) == 1:
        yield from field_errors(members[0], value, pointer)
        return
    tagged = {member.tag: member for member in members if isinstance(member, inspect.StructType)}
    tag_field = str(next(iter(tagged.values())).tag_field)
    if not isinstance(value, dict):
        yield FieldError(pointer, "wrong_type", "must be an object")
        return
    tag = value.get(tag_field)
    if tag_field not in value:
        yield FieldError(child(pointer, tag_field), "missing", "is required")
    elif not isinstance(tag, str):
        yield FieldError(child(pointer, tag_field), "wrong_type", "must be a string")
    elif tag not in tagged:
        yield FieldError(child(pointer, tag_field), "bad_format", _one_of(tuple(tagged)))
    else:
        yield from _struct_errors(tagged[tag], value, pointer)


def _dict_errors(kind: inspect.DictType, value: Any, pointer: str) -> Iterator[FieldError]:
    if not isinstance(value, dict):
        yield FieldError(pointer, "wrong_type", "must be an object")
        return
    if kind.max_length is not None and len(value) > kind.max_length:
        yield FieldError(pointer, "too_long", f"has at most {kind.max_length} entries")
    for name, item in value.items():
        yield from field_errors(kind.key_type, name, child(pointer, name))
        yield from field_errors(kind.value_type, item, child(pointer, name))


def _int_errors(kind: inspect.IntType, value: Any, pointer: str) -> Iterator[FieldError]:
    if isinstance(value, float):
        yield FieldError(pointer, "not_integer", "must be a whole number of minor units, written without a fraction")
    elif isinstance(value, bool) or not isinstance(value, int):
        yield FieldError(pointer, "wrong_type", "must be an integer")
    elif (kind.ge is not None and value < kind.ge) or (kind.le is not None and value > kind.le):
        yield FieldError(pointer, "out_of_range", f"must be {kind.ge} to {kind.le}")


def _text_value_errors(kind: inspect.StrType, value: Any, pointer: str) -> Iterator[FieldError]:
    if not isinstance(value, str):
        yield FieldError(pointer, "wrong_type", "must be a string")
    elif kind.max_length is not None and len(value) > kind.max_length:
        yield FieldError(pointer, "too_long", f"has at most {kind.max_length} characters")
    elif kind.min_length is not None and len(value) < kind.min_length:
        yield FieldError(pointer, "bad_format", "must not be empty")
    elif kind.pattern is not None and not re.search(kind.pattern, value):
        yield FieldError(pointer, "bad_format", "is not of the form that is expected here")
