"""Our events as the library's domain events, and back: the state of a stored event is the wire frame itself."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, MapperDeserialisationError, ProgrammingError, StoredEvent

from schemas.codec import FrameMalformed, decode, encode
from schemas.events import Event


@dataclass(frozen=True)
class LogEvent:
    """An event of the log with its place in its stream; a domain event as the library wants it."""

    originator_id: UUID
    originator_version: int
    event: Event


class FrameMapper(Mapper[UUID]):
    """Maps `LogEvent` to stored events. The bytes are those that Kafka gets, so nothing is compressed or encrypted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.compressor is not None or self.cipher is not None:
            raise ProgrammingError("a frame is stored as it is sent: without a compressor or a cipher")

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """The stored event of a `LogEvent`.

        Raises:
            ProgrammingError: a domain event of another class; the log speaks one language.
        """
        if not isinstance(domain_event, LogEvent):
            raise ProgrammingError(f"{type(domain_event).__name__} is no event of the log; wrap one in a LogEvent")
        event = domain_event.event
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, type(event).__name__, encode(event)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """The `LogEvent` of a stored event, in the newest version of its schema.

        Raises:
            MapperDeserialisationError: the state is no frame of a known schema.
        """
        originator_id = stored_event.originator_id
        assert isinstance(originator_id, UUID)
        try:
            event = decode(stored_event.state)
        except FrameMalformed as error:
            raise MapperDeserialisationError(str(error)) from error
        return LogEvent(originator_id, stored_event.originator_version, event)
