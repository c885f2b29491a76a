"""Everything that can be wrong with a body, derived from its type alone.

It reads the types by itself and shares nothing with the code that refuses them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

CARD_NUMBER = "4242424242424242"
OTHER_CURRENCIES = ("eur", "Eur", "XXX", "XAU", "BTC", "CLF", "EURO", "", " EUR", "978")
JSON_VALUES: tuple[Any, ...] = (None, True, False, 0, 1, 1.5, "x", [], {}, ["x"], {"x": 1})
_SAMPLES = ("a", "tok_ok", "https://shop.example/back", "mer_01JD8Z4Y7Q0008000000000042", "EUR")


class Wrong(msgspec.Struct, frozen=True):
    """A body that has to be refused: `pointer` and one of `codes` stand in the answer's errors."""

    name: str
    body: bytes
    pointer: str
    codes: frozenset[str]


Bad = tuple[Any, tuple[str, ...]]


def wrong_bodies(body_type: type, valid: dict[str, Any]) -> Iterator[Wrong]:
    """Bodies like `valid`, each with one thing wrong."""
    yield from _of_struct(inspect.type_info(body_type), valid, valid, [])


def numbers_of(body_type: type) -> list[str]:
    """The names of the fields that are numbers."""
    return [name for name, kind in _fields(inspect.type_info(body_type)) if isinstance(_bare(kind)[0], inspect.IntType)]


def _fields(kind: Any) -> list[tuple[str, Any]]:
    return [(field.encode_name, field.type) for field in kind.fields]


def _bare(kind: Any) -> tuple[Any, Any, bool]:
    """The kind without wrappings and without null; its extra words; whether null is fine."""
    extra: Any = {}
    nullable = False
    while True:
        if isinstance(kind, inspect.Metadata):
            extra, kind = kind.extra or extra, kind.type
        elif isinstance(kind, inspect.UnionType) and len(kind.types) == 2 and _has_null(kind):
            nullable = True
            [kind] = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        else:
            return kind, extra, nullable or (isinstance(kind, inspect.UnionType) and _has_null(kind))


def _has_null(kind: inspect.UnionType) -> bool:
    return any(isinstance(one, inspect.NoneType) for one in kind.types)


def _of_struct(kind: Any, whole: dict[str, Any], here: dict[str, Any], at: list[str]) -> Iterator[Wrong]:
    pointer = "".join(f"/{name}" for name in at)

    def wrong(name: str, changed: Any, where: str, *codes: str) -> Wrong:
        return Wrong(f"{where or 'the body'}: {name}", _encoded(_replaced(whole, at, changed)), where, frozenset(codes))

    yield wrong("unknown field", here | {"colour": 1}, f"{pointer}/colour", "unknown_field")
    yield wrong("unknown field with an escape", here | {"a/b~c": 1}, f"{pointer}/a~1b~0c", "unknown_field")
    for field in kind.fields:
        name, where = field.encode_name, f"{pointer}/{field.encode_name}"
        if field.required:
            yield wrong("missing", {k: v for k, v in here.items() if k != name}, where, "missing")
        for value, codes in _bad_values(field.type):
            yield wrong(repr(value)[:40], here | {name: value}, where, *codes)
        given = here.get(name, _valid(field.type))
        twice = _encoded(_replaced(whole, at, here | {name: given, "@@": given})).replace(b'"@@"', f'"{name}"'.encode())
        yield Wrong(f"{where}: twice", twice, where, frozenset({"bad_format"}))
        yield from _within(field.type, whole, here, [*at, name])


def _within(kind: Any, whole: dict[str, Any], here: dict[str, Any], at: list[str]) -> Iterator[Wrong]:
    """What can be wrong inside a field: in each kind of object that it may be, and in a map's names and texts."""
    bare, _, _ = _bare(kind)
    pointer, name = "".join(f"/{part}" for part in at), at[-1]
    for member in bare.types if isinstance(bare, inspect.UnionType) else (bare,):
        if isinstance(member, inspect.StructType):
            inner = _valid(member)
            yield from _of_struct(member, _replaced(whole, at, inner), inner, at)
            if member.tag_field is not None:
                for tag in (None, 1, "barter", ""):
                    body = _encoded(_replaced(whole, at, inner | {member.tag_field: tag}))
                    told = frozenset({"wrong_type", "bad_format"})
                    yield Wrong(f"{pointer}: tag {tag!r}", body, f"{pointer}/{member.tag_field}", told)
        elif isinstance(member, inspect.DictType):
            for key, value, codes in _bad_entries(member):
                body = _encoded(_replaced(whole, at[:-1], here | {name: {key: value}}))
                yield Wrong(f"{pointer}: {key[:20]!r} {value!r:.20}", body, f"{pointer}/{key}", frozenset(codes))


def _bad_entries(kind: inspect.DictType) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    for value, codes in _bad_values(kind.value_type):
        if value != CARD_NUMBER:
            yield "k", value, codes
    names, _, _ = _bare(kind.key_type)
    good = _valid(kind.value_type)
    if names.max_length is not None:
        yield "k" * (names.max_length + 1), good, ("too_long",)
    if names.min_length:
        yield "", good, ("bad_format",)


def _bad_values(kind: Any) -> Iterator[Bad]:
    bare, extra, nullable = _bare(kind)
    types = ("wrong_type", "not_integer", "out_of_range")
    for value in JSON_VALUES:
        if not _fits(bare, value) and not (value is None and nullable):
            yield value, types
    match bare:
        case inspect.IntType(ge=least, le=most):
            yield from ((number, ("out_of_range",)) for number in (-1, -(10**30), 10**19, 10**30))
            if least is not None:
                yield least - 1, ("out_of_range",)
            if most is not None:
                yield most + 1, ("out_of_range",)
            yield from ((number, ("not_integer",)) for number in (1.0, 1e3, 1e300, 0.1))
            yield from ((text, ("wrong_type",)) for text in ("1", "1.00", "", "١"))
        case inspect.LiteralType(values=values):
            code = extra.get("code", "bad_format")
            others = OTHER_CURRENCIES if "EUR" in values else ("nope", "", str(values[0]).upper(), f" {values[0]}")
            yield from ((text, (code,)) for text in others if text not in values)
            yield f"{values[0]}\0", ("bad_format", code)
        case inspect.StrType(max_length=most, min_length=least, pattern=pattern):
            if most is not None:
                yield "x" * (most + 1), ("too_long", "bad_format")
            if least or pattern:
                yield "", ("bad_format",)
            if pattern:
                yield "\n", ("bad_format",)
            yield "a\0b", ("bad_format",)
            yield "a\ud800b", ("bad_format",)
            yield CARD_NUMBER, ("bad_format",)
        case inspect.DictType(max_length=most, key_type=_, value_type=value_type) if most is not None:
            yield {f"k{n}": _valid(value_type) for n in range(most + 1)}, ("too_long",)


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value of `JSON_VALUES` is of the kind, whatever else is wrong with it."""
    match kind:
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and (kind.ge is None or value >= kind.ge)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.StrType() | inspect.LiteralType():
            return isinstance(value, str)
        case inspect.DictType() | inspect.StructType() | inspect.UnionType():
            return isinstance(value, dict)
        case _:
            raise AssertionError(f"say what else than {kind} a value can be")


def _valid(kind: Any) -> Any:
    """A value that is right."""
    bare, _, _ = _bare(kind)
    match bare:
        case inspect.IntType(ge=least):
            return 1 if least is None else max(least, 1)
        case inspect.BoolType():
            return True
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.StrType(pattern=pattern):
            return next(text for text in _SAMPLES if pattern is None or re.search(pattern, text))
        case inspect.DictType():
            return {"k": _valid(bare.value_type)}
        case inspect.UnionType(types=types):
            return _valid(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.StructType():
            value = {field.encode_name: _valid(field.type) for field in bare.fields if field.required}
            return value if bare.tag_field is None else {bare.tag_field: bare.tag, **value}
        case _:
            raise AssertionError(f"say what a right {bare} is")


def _replaced(whole: dict[str, Any], at: list[str], value: Any) -> Any:
    if not at:
        return value
    return whole | {at[0]: _replaced(whole.get(at[0], {}), at[1:], value)}


def _encoded(document: Any) -> bytes:
    return json.dumps(document).encode()
