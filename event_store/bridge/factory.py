"""The library's infrastructure factory: which log, which shard and in whose name, all from the environment."""

from typing import Final

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    ProcessRecorder,
    StoredEvent,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic

from event_store.bridge.database import Database
from event_store.bridge.shard_recorder import Around, ShardRecorder, ShardStreamRecorder
from event_store.bridge.tracking import ShardProcessRecorder, ShardTrackingRecorder
from event_store.options import StoreOptions
from schemas.envelope import Actor, Envelope
from schemas.identifiers import MalformedId, Prefix, parse_public_id, shard_of

DSN: Final = "GUILDER_POSTGRES__DSN"
SHARD: Final = "GUILDER_SHARD"
MERCHANT: Final = "GUILDER_MERCHANT"


class ShardFactory(InfrastructureFactory[ShardTrackingRecorder]):
    """Recorders over the shard that `GUILDER_SHARD` names, in the database of `GUILDER_POSTGRES__DSN`.

    With `GUILDER_MERCHANT` (a public id, `mer_…`, of that shard) the application may append in that merchant's name;
    without it, it only reads. As everywhere in the library, a variable may be prefixed with the application's name.
    """

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self._shard = self._read_shard()
        self._envelope = self._read_envelope()
        self._database = Database(StoreOptions(dsn=self._required(DSN)))

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """The shard's streams.

        Raises:
            InfrastructureFactoryError: for snapshots; a state is always folded from its events.
        """
        if purpose != "events":
            raise InfrastructureFactoryError(f"the log keeps events and no {purpose}")
        return ShardStreamRecorder(self._database, self._shard, self._envelope)

    def application_recorder(self) -> ApplicationRecorder:
        """The shard as a notification log."""
        return ShardRecorder(self._database, self._shard, self._envelope)

    def tracking_recorder(
        self, tracking_recorder_class: type[ShardTrackingRecorder] | None = None
    ) -> ShardTrackingRecorder:
        """How far this application has followed the shard; a class may be given, or named by its topic."""
        if tracking_recorder_class is None:
            topic = self.env.get(self.TRACKING_RECORDER_TOPIC)
            tracking_recorder_class = resolve_topic(topic) if topic else ShardTrackingRecorder
        assert issubclass(tracking_recorder_class, ShardTrackingRecorder)
        return tracking_recorder_class(self._database, self._shard, self.env.name)

    def process_recorder(self) -> ProcessRecorder:
        """The shard as a notification log that also tracks what was followed."""
        return ShardProcessRecorder(self._database, self._shard, self.env.name, self._envelope)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def _required(self, name: str) -> str:
        value = self.env.get(name)
        if not value:
            raise InfrastructureFactoryError(f"{name} is not set")
        return value

    def _read_shard(self) -> int:
        text = self._required(SHARD)
        if not text.isdecimal():
            raise InfrastructureFactoryError(f"{SHARD} is a number, not {text!r}")
        return int(text)

    def _read_envelope(self) -> Around | None:
        text = self.env.get(MERCHANT)
        if not text:
            return None
        try:
            merchant_id = parse_public_id(Prefix.MERCHANT, text)
        except MalformedId as error:
            raise InfrastructureFactoryError(f"{MERCHANT}: {error}") from error
        if shard_of(merchant_id) != self._shard:
            raise InfrastructureFactoryError(f"{MERCHANT} is of shard {shard_of(merchant_id)}, not {self._shard}")
        actor = Actor("system", self.env.name or "eventsourcing")

        def around(_: StoredEvent, now_ms: int) -> Envelope:
            return Envelope(
                effective_at=now_ms,
                merchant_id=merchant_id,
                livemode=None,
                currency=None,
                actor=actor,
                source="operator",
                correlation_id=None,
                causation_id=None,
                traceparent=None,
            )

        return around
