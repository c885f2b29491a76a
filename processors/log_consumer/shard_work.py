"""Applying a batch of one shard until it is clear what became of it: done, something missing, poisoned, or given up."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile

import msgspec

from processors.log_consumer.handler import BatchHandler, PositionGap
from processors.patience import OUTAGES, pauses
from schemas.envelope import decode_envelope
from schemas.records import Record

_log = logging.getLogger(__name__)


class Applied(msgspec.Struct, frozen=True):
    """All of it is applied; the shard's checkpoint stands at `position`."""

    position: int


class Missing(msgspec.Struct, frozen=True):
    """Position `expected` did not come, but `got`; what comes before is applied."""

    expected: int
    got: int


class Poisoned(msgspec.Struct, frozen=True):
    """The record at `position` cannot be applied, for `reason`; those before it are."""

    position: int
    reason: str


class GivenUp(msgspec.Struct, frozen=True):
    """A server is away, and the worker is to end."""


Outcome = Applied | Missing | Poisoned | GivenUp


class _Ending(Exception):
    pass


def ascending(records: Iterable[Record]) -> list[Record]:
    """The records without those that were sent again: a run of duplicates may lie between newer ones."""
    fresh: list[Record] = []
    for record in records:
        if not fresh or record.position > fresh[-1].position:
            fresh.append(record)
    return fresh


async def apply(handler: BatchHandler, shard: int, records: Sequence[Record], ending: Callable[[], bool]) -> Outcome:
    """Have `handler` apply ascending records of one shard; while a server is away it is tried again until `ending`."""
    try:
        return Applied(await _persistently(handler, shard, records, ending))
    except _Ending:
        return GivenUp()
    except PositionGap as gap:
        missing = Missing(gap.expected, gap.got)
        sound = list(takewhile(lambda record: record.position < missing.expected, records))
        before = await apply(handler, shard, sound, ending) if sound else None
        return missing if before is None or isinstance(before, Applied) else before
    except Exception as error:  # noqa: BLE001 - a handler may fail in any way; the shard halts
        first, last = records[0], records[-1]
        # Of a batch nobody is to blame yet; its records are tried one by one.
        about = decode_envelope(first.metadata).named_ids(first.stream_id) if first is last else {}
        _log.exception("shard %s: positions %s to %s failed", shard, first.position, last.position, extra=about)
        if len(records) == 1:
            return Poisoned(records[0].position, f"{type(error).__name__}: {error}")
    return await _one_by_one(handler, shard, records, ending)


async def apply_together(
    handler: BatchHandler, batches: Mapping[int, Sequence[Record]]
) -> Mapping[int, Applied] | None:
    """Have `handler` apply ascending records of some shards at once; None when it could not, whichever is to blame."""
    try:
        positions = await handler.handle_together(batches)
    except Exception as error:  # noqa: BLE001 - what it is shows when each shard is applied by itself
        _log.warning("shards %s are applied one by one: %r", sorted(batches), error)
        return None
    return {shard: Applied(position) for shard, position in positions.items()}


async def _one_by_one(
    handler: BatchHandler, shard: int, records: Sequence[Record], ending: Callable[[], bool]
) -> Outcome:
    """Find the record that spoils the batch, and apply those before it."""
    outcome: Outcome = GivenUp()
    for record in records:
        outcome = await apply(handler, shard, [record], ending)
        if not isinstance(outcome, Applied):
            break
    return outcome


async def _persistently(
    handler: BatchHandler, shard: int, records: Sequence[Record], ending: Callable[[], bool]
) -> int:
    for pause_s in pauses():
        try:
            return await handler.handle(shard, records)
        except OUTAGES as error:
            _log.warning("shard %s: trying again in %s s: %r", shard, pause_s, error)
        if ending():
            break
        await asyncio.sleep(pause_s)
    raise _Ending
