"""What a process remembers of streams: up to a number of bytes, whichever streams they belong to."""

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
    """The streams used last, with what one decider folds each to, up to `stored_bytes` of all of them together.

    It holds what is committed and nothing else, so it may be behind but never wrong. Bytes are those of the log: what a
    client can make large, its metadata, counts as such. In memory an event of the usual half a KiB takes some 2 KiB.
    """

    def __init__(self, *, stored_bytes: int) -> None:
        self._limit = stored_bytes
        self._stored_bytes = 0
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
            self._stored_bytes += stream.stored_bytes
        else:
            self._known.move_to_end(stream.stream_id)
            if known.stream.version < stream.version:
                self._stored_bytes += stream.stored_bytes - known.stream.stored_bytes
                known.stream = stream
            if folded is not None:
                known.folded = folded
        while self._stored_bytes > self._limit:
            _, forgotten = self._known.popitem(last=False)
            self._stored_bytes -= forgotten.stream.stored_bytes
