"""The mirror types and the `.avsc` files say the same, field by field: neither can change alone."""

import types
from inspect import getdoc
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest

from schemas.compatibility import full_name
from schemas.events import EVENT_TYPES, MerchantEvent, PaymentIntentEvent
from schemas.events.payment_intent import PaymentMethodType, PspOperation
from schemas.events.psp import Source
from schemas.events.unknown_outcomes import NextStep, UnknownCause
from schemas.registry import load_definitions, newest_schemas

# Vocabularies that will grow: plain strings in Avro, so that an older reader still reads them.
OPEN_VOCABULARIES = (Source, PaymentMethodType, PspOperation, UnknownCause, NextStep)


def mirrored(hint: Any, avro: Any, place: str) -> None:
    """Assert that a field's type and its schema are two spellings of one thing."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (int, str, bool):
        assert avro == {int: "long", str: "string", bool: "boolean"}[hint], place
    elif hint is UUID:
        assert avro == {"type": "string", "logicalType": "uuid"}, place
    elif hint in OPEN_VOCABULARIES:
        assert avro == "string", place
    elif origin is Literal:
        assert (avro["type"], avro["symbols"]) == ("enum", list(arguments)), place
    elif origin in (Union, types.UnionType):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        assert avro[0] == "null", place
        assert len(avro) == 2, place
        mirrored(inner, avro[1], place)
    elif origin is tuple:
        assert (avro["type"], arguments[1]) == ("array", ...), place
        mirrored(arguments[0], avro["items"], f"{place}[]")
    elif origin is dict:
        assert (avro["type"], arguments[0]) == ("map", str), place
        mirrored(arguments[1], avro["values"], f"{place}{{}}")
    else:
        assert issubclass(hint, msgspec.Struct), place
        record_mirrored(hint, avro, place)


def record_mirrored(mirror: type, avro: dict[str, Any], place: str) -> None:
    hints = get_type_hints(mirror)
    assert avro["type"] == "record", place
    assert full_name(avro) == f"guilder.events.{mirror.__name__}", place
    assert [field["name"] for field in avro["fields"]] == list(hints), place
    for field in avro["fields"]:
        mirrored(hints[field["name"]], field["type"], f"{place}.{field['name']}")
        # What may be null is null where it is not said; of all else only an added field has a default.
        if isinstance(field["type"], list):
            assert field["default"] is None, place


def in_full(node: Any, named: dict[str, Any]) -> Any:
    """A schema with every reference replaced by what it names."""
    if isinstance(node, str):
        return in_full(named[node], named) if node in named else node
    if isinstance(node, list):
        return [in_full(item, named) for item in node]
    if isinstance(node, dict):
        keys = {"type", "items", "values", "fields"}
        return {key: in_full(value, named) if key in keys else value for key, value in node.items()}
    return node


def shared_types() -> dict[str, Any]:
    return {full_name(definition): definition for name, definition in load_definitions().items() if ".v" not in name}


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_each_event_and_its_newest_schema_are_the_same(name: str) -> None:
    record_mirrored(EVENT_TYPES[name], in_full(newest_schemas()[name].definition, shared_types()), name)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_schema_says_in_words_what_its_mirror_says(name: str) -> None:
    definition = newest_schemas()[name].definition
    assert definition["doc"] == " ".join((getdoc(EVENT_TYPES[name]) or "").split())


def test_every_schema_has_its_event_and_every_event_its_schema() -> None:
    assert set(newest_schemas()) == set(EVENT_TYPES)


def test_every_event_belongs_to_one_aggregate() -> None:
    of_merchant, of_intent = set(get_args(MerchantEvent)), set(get_args(PaymentIntentEvent))
    assert of_merchant | of_intent == set(EVENT_TYPES.values())
    assert not of_merchant & of_intent


def test_a_mirror_that_differs_is_noticed() -> None:
    class PaymentCanceled(msgspec.Struct, frozen=True):
        reason: str | None

    definition = in_full(newest_schemas()["PaymentCanceled"].definition, shared_types())
    with pytest.raises(AssertionError):
        record_mirrored(PaymentCanceled, definition, "PaymentCanceled")
