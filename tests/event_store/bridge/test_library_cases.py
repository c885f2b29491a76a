"""The `eventsourcing` library's own recorder test cases, each on a bare shard of its own."""

from typing import ClassVar

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests import persistence as cases
from eventsourcing.utils import Environment

from event_store.bridge import (
    Database,
    ShardFactory,
    ShardProcessRecorder,
    ShardRecorder,
    ShardStreamRecorder,
    ShardTrackingRecorder,
)
from schemas.envelope import Envelope
from tests.contract.samples import ENVELOPE


def around(_: StoredEvent, __: int) -> Envelope:
    return ENVELOPE


class _Unframed:
    """Admits whatever the library makes up: states that are no frames, streams that name no shard."""

    def schema_sha256(self, _: StoredEvent) -> bytes:
        return bytes(32)


class BareStreamRecorder(_Unframed, ShardStreamRecorder):
    pass


class BareRecorder(_Unframed, ShardRecorder):
    pass


class BareProcessRecorder(_Unframed, ShardProcessRecorder):
    pass


class _Bare:
    dsn: ClassVar[str]
    database: ClassVar[Database]
    shard: ClassVar[int]


@pytest.mark.usefixtures("bare")
class TestStreams(_Bare, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> ShardStreamRecorder:
        return BareStreamRecorder(self.database, self.shard, around)


@pytest.mark.usefixtures("bare")
class TestNotifications(_Bare, cases.ApplicationRecorderTestCase[ShardRecorder]):
    def create_recorder(self) -> ShardRecorder:
        return BareRecorder(self.database, self.shard, around)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@pytest.mark.usefixtures("bare")
class TestNotificationsDoNotInterleave(_Bare, cases.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> ShardRecorder:
        return BareRecorder(self.database, self.shard, around)


@pytest.mark.usefixtures("bare")
class TestTracking(_Bare, cases.TrackingRecorderTestCase):
    def create_recorder(self) -> ShardTrackingRecorder:
        return ShardTrackingRecorder(self.database, self.shard, "follower")


@pytest.mark.usefixtures("bare")
class TestProcessing(_Bare, cases.ProcessRecorderTestCase):
    def create_recorder(self) -> ShardProcessRecorder:
        return BareProcessRecorder(self.database, self.shard, "follower", around)


class AnotherTrackingRecorder(ShardTrackingRecorder):
    pass


@pytest.mark.usefixtures("bare")
class TestFactory(_Bare, cases.InfrastructureFactoryTestCase[ShardFactory]):
    def setUp(self) -> None:
        self.env = Environment(
            "Follower",
            {
                "PERSISTENCE_MODULE": "event_store.bridge",
                "GUILDER_POSTGRES__DSN": self.dsn,
                "GUILDER_SHARD": str(self.shard),
            },
        )
        super().setUp()

    def expected_factory_class(self) -> type[ShardFactory]:
        return ShardFactory

    def expected_aggregate_recorder_class(self) -> type[ShardStreamRecorder]:
        return ShardStreamRecorder

    def expected_application_recorder_class(self) -> type[ShardRecorder]:
        return ShardRecorder

    def expected_tracking_recorder_class(self) -> type[ShardTrackingRecorder]:
        return ShardTrackingRecorder

    def tracking_recorder_subclass(self) -> type[ShardTrackingRecorder]:
        return AnotherTrackingRecorder

    def expected_process_recorder_class(self) -> type[ShardProcessRecorder]:
        return ShardProcessRecorder
