"""What the library's cases do not know: our frames, our shards, and readers in other processes."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import (
    DataError,
    InfrastructureFactoryError,
    IntegrityError,
    InterfaceError,
    MapperDeserialisationError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.utils import Environment

from event_store import EventStore, StoreOptions
from event_store.bridge import Database, FrameMapper, LogEvent, ShardFactory, ShardRecorder, ShardTrackingRecorder
from event_store.record_hashes import NO_PREDECESSOR, record_hash
from schemas.codec import encode, schema_of
from schemas.events import SettlementDelaySet
from schemas.identifiers import Prefix, public_id
from tests.contract.samples import ENVELOPE, CountedIds, first

DELAY = SettlementDelaySet(delay_s=60)


@pytest.fixture
def ids() -> CountedIds:
    return CountedIds()


@pytest.fixture
def recorder(shard_database: Database) -> ShardRecorder:
    return ShardRecorder(shard_database, 2, lambda *_: ENVELOPE)


def stored(stream_id: UUID, version: int, topic: str = "SettlementDelaySet", state: bytes | None = None) -> StoredEvent:
    return StoredEvent(stream_id, version, topic, encode(DELAY) if state is None else state)


async def test_what_the_library_appends_is_chained_like_everything_else(
    recorder: ShardRecorder, database: str, ids: CountedIds
) -> None:
    one, two = ids.new_id(2), ids.new_id(2)
    await asyncio.to_thread(recorder.insert_events, [stored(one, 1), stored(two, 1), stored(one, 2)])
    await asyncio.to_thread(recorder.insert_events, [stored(one, 3)])
    store = await EventStore.open(StoreOptions(dsn=database))
    records = await store.read(2, 0, 10)
    stream = await store.load(one)
    await store.close()
    assert stream.version == 3
    previous = NO_PREDECESSOR
    for record in (record for record in records if record.stream_id == one):
        previous = record_hash(
            previous,
            stream_id=record.stream_id,
            version=record.version,
            event_id=record.event_id,
            event_type=record.type,
            schema_sha256=schema_of(record.payload).sha256,
            payload=record.payload,
            metadata=record.metadata,
            command_key=None,
            request_hash=None,
        )
        assert record.record_hash == previous
        assert record.decoded().event == DELAY
    assert len({record.event_id for record in records}) == 4


def test_positions_are_given_back_in_the_order_of_the_events(recorder: ShardRecorder, ids: CountedIds) -> None:
    one, two = ids.new_id(2), ids.new_id(2)
    positions = recorder.insert_events([stored(one, 1), stored(two, 1), stored(one, 2)])
    assert positions == [1, 3, 2]
    found = {(n.originator_id, n.originator_version): n.id for n in recorder.select_notifications(1, 10)}
    assert found == {(one, 1): 1, (two, 1): 3, (one, 2): 2}


def test_of_two_streams_both_are_appended_or_none(recorder: ShardRecorder, ids: CountedIds) -> None:
    one, two = ids.new_id(2), ids.new_id(2)
    recorder.insert_events([stored(one, 1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(two, 1), stored(one, 1)])
    assert recorder.max_notification_id() == 1


def test_a_version_cannot_be_left_out(recorder: ShardRecorder, ids: CountedIds) -> None:
    stream_id = ids.new_id(2)
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(stream_id, 2)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(stream_id, 1), stored(stream_id, 3)])
    assert recorder.max_notification_id() is None


def test_only_well_formed_frames_of_this_shard_are_admitted(recorder: ShardRecorder, ids: CountedIds) -> None:
    with pytest.raises(DataError):
        recorder.insert_events([stored(ids.new_id(2), 1, state=b"{}")])
    with pytest.raises(DataError, match="holds SettlementDelaySet, not FeePlanSet"):
        recorder.insert_events([stored(ids.new_id(2), 1, topic="FeePlanSet")])
    with pytest.raises(ProgrammingError, match="not of shard 2"):
        recorder.insert_events([stored(ids.new_id(3), 1)])
    with pytest.raises(DataError):
        recorder.insert_events([stored(ids.new_id(2), 0)])
    assert recorder.max_notification_id() is None


def test_without_a_merchant_an_application_only_reads(shard_database: Database, ids: CountedIds) -> None:
    with pytest.raises(ProgrammingError, match="only reads"):
        ShardRecorder(shard_database, 2).insert_events([stored(ids.new_id(2), 1)])


def test_two_shards_are_two_notification_logs(shard_database: Database, ids: CountedIds) -> None:
    recorders = [ShardRecorder(shard_database, shard, lambda *_: ENVELOPE) for shard in (0, 1)]
    for shard, recorder in enumerate(recorders):
        assert recorder.insert_events([stored(ids.new_id(shard), 1)]) == [1]
    assert [len(recorder.select_notifications(None, 10)) for recorder in recorders] == [1, 1]


def test_each_follower_of_each_shard_tracks_by_itself(shard_database: Database) -> None:
    one = ShardTrackingRecorder(shard_database, 0, "one")
    one.insert_tracking(Tracking("Log", 5))
    for other in (ShardTrackingRecorder(shard_database, 1, "one"), ShardTrackingRecorder(shard_database, 0, "two")):
        assert other.max_tracking_id("Log") is None
    assert one.max_tracking_id("Log") == 5


async def test_a_subscription_hears_of_what_another_process_appends(
    shard_database: Database, database: str, ids: CountedIds
) -> None:
    store = await EventStore.open(StoreOptions(dsn=database))
    await store.append(first(ids, ids.new_id(2)))
    seen: list[int] = []

    def follow() -> None:
        with ShardRecorder(shard_database, 2).subscribe() as subscription:
            for notification in subscription:
                seen.append(notification.id)
                if notification.id == 3:
                    return

    following = asyncio.create_task(asyncio.to_thread(follow))
    await asyncio.sleep(0.1)
    for _ in range(2):
        await store.append(first(ids, ids.new_id(2)))
    async with asyncio.timeout(30):
        await following
    await store.close()
    assert seen == [1, 2, 3]


def test_a_closed_bridge_says_so(database: str) -> None:
    opened = Database(StoreOptions(dsn=database))
    recorder = ShardRecorder(opened, 0)
    assert recorder.max_notification_id() is None
    opened.close()
    opened.close()
    with pytest.raises(InterfaceError):
        recorder.max_notification_id()


def test_a_server_that_is_not_there_is_an_operational_error() -> None:
    away = Database(StoreOptions(dsn="postgresql://nobody@127.0.0.1:1/nowhere", reconnect_deadline_s=0.1))
    with pytest.raises(OperationalError):
        ShardRecorder(away, 0).max_notification_id()
    away.close()


class Delays(Application[UUID]):
    """The smallest application on the log."""

    env = {"PERSISTENCE_MODULE": "event_store.bridge", "MAPPER_TOPIC": "event_store.bridge:FrameMapper"}  # noqa: RUF012


@pytest.fixture
def application(database: str, ids: CountedIds) -> Iterator[Application[UUID]]:
    merchant = public_id(Prefix.MERCHANT, ids.new_id(3))
    delays = Delays({"GUILDER_POSTGRES__DSN": database, "GUILDER_SHARD": "3", "DELAYS_GUILDER_MERCHANT": merchant})
    yield delays
    delays.close()


def test_an_application_saves_and_reads_our_events(application: Application[UUID], ids: CountedIds) -> None:
    event = LogEvent(ids.new_id(3), 1, DELAY)
    (recording,) = application.save(event)
    assert recording.notification.id == 1
    assert list(application.events.get(event.originator_id)) == [event]
    (notification,) = application.notification_log.select(1, 10)
    assert application.mapper.to_domain_event(notification) == event


def test_the_log_speaks_one_language(application: Application[UUID], ids: CountedIds) -> None:
    foreign = DomainEvent(originator_id=ids.new_id(3), originator_version=1, timestamp=DomainEvent.create_timestamp())
    with pytest.raises(ProgrammingError, match="LogEvent"):
        application.save(foreign)
    with pytest.raises(MapperDeserialisationError):
        application.mapper.to_domain_event(stored(ids.new_id(3), 1, state=b"{}"))


def test_a_frame_is_neither_compressed_nor_encrypted() -> None:
    with pytest.raises(ProgrammingError):
        FrameMapper(transcoder=None, compressor=object())


MERCHANT_OF_SHARD_1 = public_id(Prefix.MERCHANT, CountedIds().new_id(1))


@pytest.mark.parametrize(
    "settings",
    [
        {"GUILDER_SHARD": "0"},
        {"GUILDER_POSTGRES__DSN": "postgresql://"},
        {"GUILDER_POSTGRES__DSN": "postgresql://", "GUILDER_SHARD": "first"},
        {"GUILDER_POSTGRES__DSN": "postgresql://", "GUILDER_SHARD": "0", "GUILDER_MERCHANT": "mer_1"},
        {"GUILDER_POSTGRES__DSN": "postgresql://", "GUILDER_SHARD": "0", "GUILDER_MERCHANT": MERCHANT_OF_SHARD_1},
    ],
)
def test_an_environment_that_names_no_log_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(InfrastructureFactoryError):
        ShardFactory(Environment("App", settings))


def test_there_are_no_snapshots(database: str) -> None:
    factory = ShardFactory(Environment("App", {"GUILDER_POSTGRES__DSN": database, "GUILDER_SHARD": "0"}))
    with pytest.raises(InfrastructureFactoryError, match="no snapshots"):
        factory.aggregate_recorder("snapshots")
    factory.close()
