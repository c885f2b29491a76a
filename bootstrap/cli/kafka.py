"""The Kafka that a verb works with, and that it is away, in a sentence that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaConnectionError

from bootstrap.local_stack import LocalStackError


class KafkaUnreachableError(LocalStackError):
    """Kafka does not answer."""


@contextmanager
def kafka_at(servers: str) -> Iterator[None]:
    """Work with Kafka in the context. Raises KafkaUnreachableError in place of what its client says."""
    try:
        yield
    except KafkaConnectionError as error:
        raise KafkaUnreachableError(
            f"Kafka at {servers} cannot be reached: `guilder status` shows what runs; `guilder up` starts it unless "
            "GUILDER_KAFKA__BOOTSTRAP_SERVERS names another"
        ) from error
