"""What a process remembers of streams: as much as a number of events, whichever streams they belong to."""

from collections import OrderedDict
from typing import Any
from uuid import UUID

import msgspec

from event_store.stream import Stream


class Folded(msgspec.Struct, frozen=True, gc=False):
    """The state to which `decider` folds the first `version` events of a stream."""

    decider: Any
    version: int
    state: Any


class _Known(msgspec.Struct, gc=False):
    stream: Stream
    folded: Folded | None


class StreamCache:
    """The streams used last, with what one decider folds each to, up to `events` events of all streams together.

    It holds what is committed and nothing else, so it may be behind but never wrong. A stream of a few events, which is
    most of them, takes about 2 KiB for each.
    """

    def __init__(self, *, events: int) -> None:
        self._limit = events
        self._events = 0
        self._known: OrderedDict[UUID, _Known] = OrderedDict()

    def stream(self, stream_id: UUID) -> Stream | None:
        """The stream as it was when this process last saw it."""
        known = self._known.get(stream_id)
        return None if known is None else known.stream

    def folded(self, stream_id: UUID) -> Folded | None:
        """What the stream was last folded to."""
        known = self._known.get(stream_id)
        return None if known is None else known.folded

    def remember(self, stream: Stream, folded: Folded | None = None) -> None:
        """Keep a committed stream, unless a longer one is known, and what it was folded to, if it was."""
        known = self._known.get(stream.stream_id)
        if known is None:
            self._known[stream.stream_id] = _Known(stream, folded)
            self._events += stream.version
        else:
            self._known.move_to_end(stream.stream_id)
            if known.stream.version < stream.version:
                self._events += stream.version - known.stream.version
                known.stream = stream
            if folded is not None:
                known.folded = folded
        while self._events > self._limit:
            _, forgotten = self._known.popitem(last=False)
            self._events -= forgotten.stream.version
