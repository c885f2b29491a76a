"""The schema registry that lives in the repository: `registry.lock` gives every `.avsc` file its id and its hash.

The hash is SHA-256 over the RFC 8785 JSON of the schema with its references expanded, so that it pins what the bytes
mean and not how the file is laid out. Databases keep copies of the lock; a process that knows the same id with another
hash refuses to start.
"""

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from fastavro.schema import parse_schema

from schemas.canonical import canonical_json

_FOLDER: Final = files("schemas") / "avro"
_LOCK: Final = files("schemas") / "registry.lock"


class RegistrySchema(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one event's schema: `sha256` is 32 raw bytes, `parsed` what fastavro reads and writes with."""

    id: int
    event_type: str
    version: int
    sha256: bytes
    definition: dict[str, Any]
    parsed: Any


class RegistryBroken(Exception):
    """The lock and the `.avsc` files disagree: a schema was changed or removed after it got its id."""


def load_definitions() -> dict[str, dict[str, Any]]:
    """Every `.avsc` below `schemas/avro` by its name without ending, references still by name."""
    return {
        path.name.removesuffix(".avsc"): json.loads(path.read_text(encoding="utf-8"))
        for path in _FOLDER.iterdir()
        if path.name.endswith(".avsc")
    }


def expand(definition: dict[str, Any], shared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`definition` with each shared record in full where it is first named, as Avro's specification asks."""
    seen: set[str] = set()

    def visit(node: Any) -> Any:
        match node:
            case str() if node in shared and node not in seen:
                seen.add(node)
                return visit(shared[node])
            case dict():
                return {
                    key: visit(value) if key in {"type", "items", "values", "fields"} else value
                    for key, value in node.items()
                }
            case list():
                return [visit(item) for item in node]
            case _:
                return node

    expanded: dict[str, Any] = visit(definition)
    return expanded


def sha256_of(expanded: dict[str, Any]) -> bytes:
    """The 32 bytes that pin a schema."""
    return hashlib.sha256(canonical_json(expanded)).digest()


@cache
def registry() -> tuple[RegistrySchema, ...]:
    """Every schema of the lock, by ascending id.

    Raises:
        RegistryBroken: a locked file is missing or no longer hashes to what the lock says.
    """
    definitions = load_definitions()
    shared = {d["namespace"] + "." + d["name"]: d for name, d in definitions.items() if ".v" not in name}
    entries = []
    for line in _LOCK.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        number, file, sha256 = line.split()
        name = file.removesuffix(".avsc")
        if name not in definitions:
            raise RegistryBroken(f"registry.lock names {file}, which is not there")
        expanded = expand(definitions[name], shared)
        if sha256_of(expanded).hex() != sha256:
            raise RegistryBroken(f"{file} has changed since it got id {number}; a change is a new version")
        event_type, _, version = name.partition(".v")
        entries.append(
            RegistrySchema(
                id=int(number),
                event_type=event_type,
                version=int(version),
                sha256=bytes.fromhex(sha256),
                definition=expanded,
                parsed=parse_schema(expanded),
            )
        )
    return tuple(sorted(entries, key=lambda entry: entry.id))


@cache
def schemas_by_id() -> dict[int, RegistrySchema]:
    """Every schema by its id."""
    return {entry.id: entry for entry in registry()}


@cache
def newest_schemas() -> dict[str, RegistrySchema]:
    """The highest version of each event type."""
    newest: dict[str, RegistrySchema] = {}
    for entry in registry():
        if entry.event_type not in newest or newest[entry.event_type].version < entry.version:
            newest[entry.event_type] = entry
    return newest
