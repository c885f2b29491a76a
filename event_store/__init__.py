"""Streams of events in PostgreSQL, the only source of truth: append with group commit, read, execute, wait.

It may import `schemas` and none of our other folders. Start reading with `store.py`, which is all that others call,
then `group_commit.py` and `migrations/0001_event_store.up.sql`, where a command becomes durable. `bridge` lets
applications of the `eventsourcing` library read, and append to, the same log.
"""

from event_store.appends import AlreadyDone, Append, Appended, NewEvent, VersionConflict
from event_store.execution import Decider, Executed
from event_store.options import StoreOptions
from event_store.record_hashes import NO_PREDECESSOR, record_hash
from event_store.schema_copies import SchemaDisagreement
from event_store.store import EventStore, WrongNumberOfShards
from event_store.stream import Stream, StreamCorrupt

__all__ = [
    "NO_PREDECESSOR",
    "AlreadyDone",
    "Append",
    "Appended",
    "Decider",
    "EventStore",
    "Executed",
    "NewEvent",
    "SchemaDisagreement",
    "StoreOptions",
    "Stream",
    "StreamCorrupt",
    "VersionConflict",
    "WrongNumberOfShards",
    "record_hash",
]
