"""What a read model is to those who feed it: a name, and a way to apply events to one generation's schema."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Protocol

from schemas.records import RecordedEvent


class Projection(Protocol):
    """A read model. A generation of it is a PostgreSQL schema, `ledger_1`, made by `create_ledger_generation(1)`."""

    @property
    def name(self) -> str:
        """Its name in the tables `live` and `checkpoints`, and before the `_` of its schemas."""
        ...

    @property
    def event_types(self) -> frozenset[str]:
        """The events that change it; all others may be left out of what it is given."""
        ...

    @property
    def digested(self) -> "tuple[DigestedTable, ...]":
        """Its tables, in the order in which their rows are compared between two generations."""
        ...

    async def apply(self, connection: Any, schema: str, events: Sequence[RecordedEvent]) -> None:
        """Apply the next events of some shards (of `event_types` at least) in the caller's transaction.

        Those of a shard are ascending. The caller holds the shards' checkpoint locks, has cut what was applied before,
        and moves the checkpoints.
        """
        ...


class DigestedTable:
    """A table whose rows must come out the same whenever the log is folded anew; `key` orders them within a shard."""

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.key = key


def schema_name(projection: str, generation: int) -> str:
    """The PostgreSQL schema of one generation; safe to stand in SQL text."""
    assert projection.isidentifier(), projection
    assert generation > 0, generation
    return f"{projection}_{generation}"


def sql_text(package: str, file: str) -> str:
    """A statement that lives in a `.sql` file beside its one caller."""
    return (files(package) / file).read_text(encoding="utf-8")
