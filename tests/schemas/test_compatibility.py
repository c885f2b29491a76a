"""Versions of a schema: what may follow what, and changes that may not."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from fastavro.schema import parse_schema
from msgspec.structs import replace

from schemas.compatibility import problems, problems_between_versions
from schemas.registry import newest_schemas, registry

Change = Callable[[dict[str, Any]], None]

BASE: dict[str, Any] = {
    "type": "record",
    "namespace": "guilder.events",
    "name": "Example",
    "doc": "An example.",
    "fields": [
        {"name": "amount", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {
            "name": "kind",
            "type": {
                "type": "enum",
                "namespace": "guilder.events",
                "name": "Kind",
                "symbols": ["other", "hold"],
                "default": "other",
            },
        },
        {"name": "strict", "type": {"type": "enum", "name": "Strict", "symbols": ["a", "b"]}},
        {
            "name": "parts",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "namespace": "guilder.events",
                    "name": "Part",
                    "fields": [{"name": "size", "type": "long"}],
                },
            },
        },
        {"name": "spare", "type": ["null", "guilder.events.Part"], "default": None},
        {"name": "labels", "type": {"type": "map", "values": "string"}},
        {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 32}},
    ],
}


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in schema["fields"] if one["name"] == name]
    assert isinstance(found, dict)
    return found


def changed(change: Change) -> dict[str, Any]:
    newer = deepcopy(BASE)
    change(newer)
    return newer


def add(name: str, **rest: Any) -> Change:
    return lambda schema: schema["fields"].append({"name": name, **rest})


def retype(name: str, to: Any) -> Change:
    return lambda schema: field(schema, name).update(type=to)


def remove(name: str) -> Change:
    return lambda schema: schema["fields"].remove(field(schema, name))


def rename_record(schema: dict[str, Any]) -> None:
    schema["name"] = "Sample"


def alias_record(schema: dict[str, Any]) -> None:
    schema["aliases"] = ["Beispiel"]


def alias_field(schema: dict[str, Any]) -> None:
    field(schema, "amount")["aliases"] = ["total"]


def rename_field(schema: dict[str, Any]) -> None:
    field(schema, "amount")["name"] = "total"


def new_default(schema: dict[str, Any]) -> None:
    field(schema, "note")["default"] = "none"


def lost_default(schema: dict[str, Any]) -> None:
    del field(schema, "note")["default"]


def grow(name: str) -> Change:
    return lambda schema: field(schema, name)["type"]["symbols"].append("sale")


def shrink(name: str) -> Change:
    return lambda schema: field(schema, name)["type"]["symbols"].pop()


def enum_default(schema: dict[str, Any]) -> None:
    field(schema, "kind")["type"]["default"] = "hold"


def nested_type(schema: dict[str, Any]) -> None:
    field(schema, "parts")["type"]["items"]["fields"][0]["type"] = "double"


def nested_addition(schema: dict[str, Any]) -> None:
    field(schema, "parts")["type"]["items"]["fields"].append({"name": "colour", "type": "string"})


def map_values(schema: dict[str, Any]) -> None:
    field(schema, "labels")["type"]["values"] = "long"


def fixed_size(schema: dict[str, Any]) -> None:
    field(schema, "digest")["type"]["size"] = 16


def reword(schema: dict[str, Any]) -> None:
    schema["doc"] = "Another wording."


def reorder(schema: dict[str, Any]) -> None:
    schema["fields"][:2] = schema["fields"][1::-1]


@pytest.mark.parametrize(
    "change",
    [
        lambda _schema: None,
        reword,
        reorder,
        add("extra", type=["null", "string"], default=None),
        add("extra", type="long", default=0),
        remove("note"),
        grow("kind"),
    ],
)
def test_changes_that_both_sides_can_read(change: Change) -> None:
    parse_schema(changed(change))
    assert problems(BASE, changed(change)) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (add("extra", type="long"), "Example.extra: was added without a default"),
        (remove("amount"), "Example.amount: was removed, but older readers have no default for it"),
        (retype("amount", "int"), "Example.amount: the type changed from long to int"),
        (retype("amount", "string"), "Example.amount: the type changed from long to string"),
        (retype("amount", ["null", "long"]), "Example.amount: the type changed from long to null | long"),
        (retype("note", "string"), "Example.note: the type changed from null | string to string"),
        (retype("note", ["null", "string", "long"]), "Example.note: the type changed from null | string to"),
        (retype("note", ["string", "null"]), "Example.note: the type changed from null to string"),
        (retype("id", "string"), "Example.id: the type changed from uuid to string"),
        (
            retype("id", {"type": "string", "logicalType": "decimal"}),
            "Example.id: the type changed from uuid to decimal",
        ),
        (
            retype("parts", {"type": "map", "values": "guilder.events.Part"}),
            "Example.parts: the type changed from array to map",
        ),
        (new_default, "Example.note: the default changed"),
        (lost_default, "Example.note: the default changed"),
        (rename_record, "Example: guilder.events.Example was renamed to guilder.events.Sample"),
        (alias_record, "Example: nothing is renamed, so nothing has aliases"),
        (alias_field, "Example.amount: nothing is renamed, so nothing has aliases"),
        (rename_field, "Example.amount: was removed, but older readers have no default for it"),
        (shrink("kind"), "Example.kind: the enum lost hold"),
        (grow("strict"), "Example.strict: the enum grew by sale without a default in both versions"),
        (enum_default, "Example.kind: the enum's default changed"),
        (nested_type, "Example.parts[].size: the type changed from long to double"),
        (nested_addition, "Example.parts[].colour: was added without a default"),
        (map_values, "Example.labels{}: the type changed from string to long"),
        (fixed_size, "Example.digest: the size changed from 32 to 16"),
    ],
)
def test_bad_changes_are_named(change: Change, said: str) -> None:
    found = problems(BASE, changed(change))
    assert any(problem.startswith(said) for problem in found), found


def test_a_change_in_a_shared_record_shows_wherever_it_stands() -> None:
    found = problems(BASE, changed(nested_type))
    assert any("Example.spare" in problem for problem in found)


def test_every_version_in_the_registry_can_read_every_other() -> None:
    assert problems_between_versions(registry()) == ()


def test_a_bad_version_in_the_registry_is_found_against_every_earlier_one() -> None:
    newest = newest_schemas()["PspOutcomeUnknown"]
    spoilt = deepcopy(newest.definition)
    field(spoilt, "exposure")["type"] = "double"
    bad = replace(newest, version=3, definition=spoilt)
    found = problems_between_versions([*registry(), bad])
    assert [problem.split(":")[0] for problem in found] == [
        "PspOutcomeUnknown v1 → v3",
        "PspOutcomeUnknown v2 → v3",
    ]
