"""Whether two versions of an event's schema can read each other: FULL_TRANSITIVE, and a little stricter.

Avro's own resolution (specification 1.12, "Schema Resolution") would let more pass, such as widening an int or a reader's
aliases. Here a field that both versions know must mean the same: its type and its default do not change, nothing is
renamed, a field that only one of them knows has an explicit default there, and an enum that differs only grows and
names a default in both. Event schemas are trees: a type that contains itself is not expected here.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, Final

from schemas.registry import RegistrySchema

Schema = dict[str, Any]

_NO_DEFAULT: Final = object()


def problems(older: Schema, newer: Schema) -> tuple[str, ...]:
    """Why `newer` may not follow `older` (references expanded); nothing if it may. Each names the place it is about."""
    return tuple(_differences(older, newer, str(older.get("name")), _Names(older), _Names(newer)))


def problems_between_versions(schemas: Iterable[RegistrySchema]) -> tuple[str, ...]:
    """The problems of every pair of versions of each event type."""
    by_type: dict[str, list[RegistrySchema]] = {}
    for schema in schemas:
        by_type.setdefault(schema.event_type, []).append(schema)
    found = []
    for event_type, versions in by_type.items():
        ordered = sorted(versions, key=lambda schema: schema.version)
        for older, newer in combinations(ordered, 2):
            found += [
                f"{event_type} v{older.version} → v{newer.version}: {problem}"
                for problem in problems(older.definition, newer.definition)
            ]
    return tuple(found)


class _Names:
    """The named types of one schema; a name that stands a second time is only a reference."""

    def __init__(self, schema: Schema) -> None:
        self._types: dict[str, Schema] = {}
        self._collect(schema)

    def resolve(self, node: Any) -> Any:
        return self._types.get(node, node) if isinstance(node, str) else node

    def _collect(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self._collect(item)
        elif isinstance(node, dict):
            if isinstance(node.get("type"), str) and node["type"] in {"record", "enum", "fixed"}:
                self._types[full_name(node)] = node
            for value in (node.get("type"), node.get("items"), node.get("values"), node.get("fields")):
                self._collect(value)


def full_name(named: Schema) -> str:
    """A named type's name with its namespace."""
    namespace = named.get("namespace")
    return f"{namespace}.{named['name']}" if namespace else str(named["name"])


def _differences(older: Any, newer: Any, place: str, old_names: _Names, new_names: _Names) -> Iterator[str]:
    older, newer = old_names.resolve(older), new_names.resolve(newer)
    if isinstance(older, list) and isinstance(newer, list) and len(older) == len(newer):
        for old_branch, new_branch in zip(older, newer, strict=True):
            yield from _differences(old_branch, new_branch, place, old_names, new_names)
        return
    if not isinstance(older, dict) or not isinstance(newer, dict):
        if older != newer:
            yield f"{place}: the type changed from {_spelled(older)} to {_spelled(newer)}"
        return
    if (older.get("type"), older.get("logicalType")) != (newer.get("type"), newer.get("logicalType")):
        yield f"{place}: the type changed from {_spelled(older)} to {_spelled(newer)}"
        return
    yield from _renamed(older, newer, place)
    match older["type"]:
        case "record":
            yield from _fields(older, newer, place, old_names, new_names)
        case "enum":
            yield from _symbols(older, newer, place)
        case "array":
            yield from _differences(older["items"], newer["items"], f"{place}[]", old_names, new_names)
        case "map":
            yield from _differences(older["values"], newer["values"], f"{place}{{}}", old_names, new_names)
        case "fixed" if older["size"] != newer["size"]:
            yield f"{place}: the size changed from {older['size']} to {newer['size']}"


def _renamed(older: Schema, newer: Schema, place: str) -> Iterator[str]:
    if "name" in older and full_name(older) != full_name(newer):
        yield f"{place}: {full_name(older)} was renamed to {full_name(newer)}"
    if newer.get("aliases"):
        yield f"{place}: nothing is renamed, so nothing has aliases"


def _fields(older: Schema, newer: Schema, place: str, old_names: _Names, new_names: _Names) -> Iterator[str]:
    before = {field["name"]: field for field in older["fields"]}
    after = {field["name"]: field for field in newer["fields"]}
    for name in sorted(before.keys() - after.keys()):
        if "default" not in before[name]:
            yield f"{place}.{name}: was removed, but older readers have no default for it"
    for name in sorted(after.keys() - before.keys()):
        if "default" not in after[name]:
            yield f"{place}.{name}: was added without a default"
    for name, field in after.items():
        if field.get("aliases"):
            yield f"{place}.{name}: nothing is renamed, so nothing has aliases"
    for name in sorted(before.keys() & after.keys()):
        old_field, new_field = before[name], after[name]
        if old_field.get("default", _NO_DEFAULT) != new_field.get("default", _NO_DEFAULT):
            yield f"{place}.{name}: the default changed"
        yield from _differences(old_field["type"], new_field["type"], f"{place}.{name}", old_names, new_names)


def _symbols(older: Schema, newer: Schema, place: str) -> Iterator[str]:
    before, after = set(older["symbols"]), set(newer["symbols"])
    if before - after:
        yield f"{place}: the enum lost {', '.join(sorted(before - after))}"
    if after - before and not ("default" in older and "default" in newer):
        yield f"{place}: the enum grew by {', '.join(sorted(after - before))} without a default in both versions"
    if older.get("default", _NO_DEFAULT) != newer.get("default", _NO_DEFAULT):
        yield f"{place}: the enum's default changed"


def _spelled(node: Any) -> str:
    match node:
        case list():
            return " | ".join(_spelled(branch) for branch in node)
        case {"logicalType": logical}:
            return str(logical)
        case {"type": inner}:
            return str(inner)
        case _:
            return str(node)
