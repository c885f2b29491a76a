"""An `append` that marks itself in its command's trace. Where a process does not trace, it is not there at all."""

from collections.abc import Awaitable, Callable
from typing import Final

from event_store.appends import Append, Appended
from event_store.tracing import TRACING, is_sampled
from schemas.envelope import decode_envelope

_NOT_TRACED: Final = b'"traceparent":null'

Appending = Callable[[Append], Awaitable[Appended]]


def traced(append: Appending) -> Appending:
    """`append` with a span around it, for commands whose trace is kept; `append` itself where nothing is traced."""
    if not TRACING.on:
        return append

    async def traced_append(command: Append) -> Appended:
        metadata = command.events[0].metadata if command.events else _NOT_TRACED
        if _NOT_TRACED in metadata:
            return await append(command)
        envelope = decode_envelope(metadata)
        if not is_sampled(envelope.traceparent):
            return await append(command)
        attributes = {
            **envelope.named_ids(command.stream_id),
            "event_types": ", ".join(event.type for event in command.events),
        }
        with TRACING.hop("append", envelope.traceparent, attributes):
            appended = await append(command)
            TRACING.note(shard=appended.records[0].shard, position=appended.records[-1].position)
            return appended

    return traced_append
