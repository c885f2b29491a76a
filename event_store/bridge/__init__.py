"""The bridge to the `eventsourcing` library: its applications and followers on this log, one shard each.

`PERSISTENCE_MODULE=event_store.bridge` with `GUILDER_POSTGRES__DSN` and `GUILDER_SHARD` gives an application the shard
as its notification log (a notification's id is the position), and `MAPPER_TOPIC=event_store.bridge:FrameMapper` our
events as domain events. It may import `schemas` and the store beside it. Start reading with `shard_recorder.py`.
"""

from event_store.bridge.database import Database
from event_store.bridge.factory import ShardFactory
from event_store.bridge.frame_mapper import FrameMapper, LogEvent
from event_store.bridge.shard_recorder import ShardRecorder, ShardStreamRecorder
from event_store.bridge.tracking import ShardProcessRecorder, ShardTrackingRecorder

__all__ = [
    "Database",
    "FrameMapper",
    "LogEvent",
    "ShardFactory",
    "ShardProcessRecorder",
    "ShardRecorder",
    "ShardStreamRecorder",
    "ShardTrackingRecorder",
]
