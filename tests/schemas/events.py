"""Hypothesis strategies for every event, made from the mirror types themselves: a new event is tested the day it exists."""

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from schemas.events import EVENT_TYPES, Event

_INT64 = 2**63
# Avro strings are UTF-8, which has no surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type may have."""
    origin, arguments = get_origin(hint), get_args(hint)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-_INT64, _INT64 - 1),
        str: texts,
        bool: st.booleans(),
        UUID: st.uuids(),
        type(None): st.none(),
    }
    if hint in plain:
        return plain[hint]
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([of_type(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=4)
    assert isinstance(hint, type)
    assert issubclass(hint, msgspec.Struct), hint
    return st.builds(hint, **{name: of_type(inner) for name, inner in get_type_hints(hint).items()})


def events(event_type: type[Event]) -> st.SearchStrategy[Any]:
    """Any event of one type."""
    return of_type(event_type)


any_event = st.one_of([events(event_type) for event_type in EVENT_TYPES.values()])
