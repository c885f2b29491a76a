"""Which errors are refusals that an operator is to read as one sentence, not as a defect with its traceback.

They are told by name: naming them by class would import the store and Kafka's client before the lightest verb.
"""

from typing import Final

EXPECTED: Final = frozenset(
    {
        "asyncpg.exceptions.CannotConnectNowError",
        "asyncpg.exceptions._base.InterfaceError",
        "asyncpg.exceptions.PostgresConnectionError",
        "bootstrap.local_stack.LocalStackError",
        "event_store.schema_copies.SchemaDisagreement",
        "event_store.store.WrongNumberOfShards",
        "migrations.runner.MigrationChanged",
        "migrations.runner.MigrationMissing",
        "migrations.runner.OtherNumberOfShards",
        "processors.topics.TopicMismatch",
    }
)


def refusal_in(error: BaseException) -> str | None:
    """The sentence of an expected refusal, also of one that a task group has wrapped; None for anything else."""
    if isinstance(error, BaseExceptionGroup):
        sentences = [refusal_in(part) for part in error.exceptions]
        return None if None in sentences else "; ".join(dict.fromkeys(filter(None, sentences)))
    expected = any(f"{kind.__module__}.{kind.__qualname__}" in EXPECTED for kind in type(error).__mro__)
    return str(error) if expected else None
