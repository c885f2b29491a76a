"""What a process remembers of merchants: shared looks, bounded memory, and nothing older than it says."""

import asyncio
from typing import cast
from uuid import UUID

import pytest

from command_api.merchants import KnownMerchant, Merchants
from event_store import EventStore, Stream
from schemas.envelope import Actor, Envelope
from schemas.errors import ShardUnavailable
from schemas.events import ApiKeyIssued, Event, MerchantRegistered
from schemas.identifiers import uuid7
from schemas.records import RecordedEvent

FIRST, SECOND, THIRD = (uuid7(1, 1_790_000_000_000, bytes([number]) * 8) for number in (1, 2, 3))


class SlowLog:
    """Streams of merchants, given out when the test opens the gate, as they were when they were asked for."""

    shards = 4

    def __init__(self) -> None:
        self.streams: dict[UUID, list[Event]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.looks = 0
        self.away = False

    async def load(self, stream_id: UUID) -> Stream:
        self.looks += 1
        events = tuple(self.streams.get(stream_id, ()))
        await self.gate.wait()
        if self.away:
            raise ShardUnavailable
        records = tuple(recorded(stream_id, version, event) for version, event in enumerate(events, start=1))
        return Stream(stream_id, records, len(records))


def recorded(stream_id: UUID, version: int, event: Event) -> RecordedEvent:
    envelope = Envelope(
        effective_at=0,
        merchant_id=stream_id,
        livemode=None,
        currency=None,
        actor=Actor(type="operator", id="test"),
        source="operator",
        correlation_id=None,
        causation_id=None,
        traceparent=None,
    )
    return RecordedEvent(
        event=event,
        envelope=envelope,
        event_id=stream_id,
        stream_id=stream_id,
        version=version,
        shard=1,
        position=version,
        recorded_at=0,
    )


def registered(*merchants: UUID) -> SlowLog:
    log = SlowLog()
    for merchant_id in merchants:
        log.streams[merchant_id] = [MerchantRegistered(name="A", country="DE")]
    return log


def remembering(log: SlowLog, *, max_age_s: float = 60, capacity: int = 2) -> Merchants:
    return Merchants(cast("EventStore", log), max_age_s=max_age_s, capacity=capacity)


async def test_callers_that_come_together_share_one_look() -> None:
    log = registered(FIRST)
    merchants = remembering(log)
    found = await asyncio.gather(*[merchants.current(FIRST) for _ in range(20)])
    assert {one.state.name for one in found} == {"A"}
    await merchants.current(FIRST)
    assert log.looks == 1


async def test_what_is_too_old_is_looked_up_again() -> None:
    log = registered(FIRST)
    merchants = remembering(log, max_age_s=0.02)
    await merchants.current(FIRST)
    await asyncio.sleep(0.03)
    assert merchants.remembered(FIRST) is None
    await merchants.current(FIRST)
    assert log.looks == 2


async def test_the_newest_is_not_a_look_that_had_begun_before() -> None:
    log = registered(FIRST)
    merchants = remembering(log)
    log.gate.clear()
    early = asyncio.create_task(merchants.current(FIRST))
    await asyncio.sleep(0.01)
    log.streams[FIRST].append(
        ApiKeyIssued(key_id=SECOND, key_sha256="a" * 64, scopes=("payments:read",), livemode=True, expires_at=None)
    )
    late = asyncio.create_task(merchants.newest(FIRST))
    await asyncio.sleep(0.01)
    log.gate.set()
    assert "a" * 64 not in (await early).keys
    assert "a" * 64 in (await late).keys


class PatientMerchants(Merchants):
    """Fails where it asks again and again: it would not let the loop end the test."""

    asked = 0

    async def _shared_look(self, merchant_id: UUID) -> KnownMerchant:
        self.asked += 1
        assert self.asked < 10, "a look that has ended is asked for again and again, and nobody else runs"
        return await super()._shared_look(merchant_id)


async def test_who_asks_in_the_tick_in_which_a_look_ends_begins_another() -> None:
    log = registered(FIRST)
    merchants = PatientMerchants(cast("EventStore", log), max_age_s=60)
    log.gate.clear()
    early = asyncio.create_task(merchants.current(FIRST))
    await asyncio.sleep(0.01)
    log.gate.set()
    late = asyncio.create_task(merchants.newest(FIRST))
    assert (await late).read_at > (await early).read_at
    assert log.looks == 2


async def test_memory_is_bounded_and_strangers_take_no_room_in_it() -> None:
    log = registered(FIRST, SECOND, THIRD)
    merchants = remembering(log, capacity=2)
    for merchant_id in (FIRST, SECOND, THIRD):
        await merchants.current(merchant_id)
    assert [merchants.remembered(one) is None for one in (FIRST, SECOND, THIRD)] == [True, False, False]
    stranger = uuid7(1, 0, bytes(8))
    assert not (await merchants.current(stranger)).state.exists
    assert merchants.remembered(stranger) is None
    assert merchants.remembered(SECOND) is not None


async def test_an_id_outside_the_installation_is_not_looked_up() -> None:
    log = registered()
    assert not (await remembering(log).current(uuid7(4, 0, bytes(8)))).state.exists
    assert log.looks == 0


async def test_a_look_that_failed_is_made_again() -> None:
    log = registered(FIRST)
    merchants = remembering(log)
    log.away = True
    with pytest.raises(ShardUnavailable):
        await merchants.current(FIRST)
    log.away = False
    assert (await merchants.current(FIRST)).state.exists


async def test_a_caller_that_goes_away_takes_the_look_from_nobody() -> None:
    log = registered(FIRST)
    merchants = remembering(log)
    log.gate.clear()
    impatient = asyncio.create_task(merchants.current(FIRST))
    patient = asyncio.create_task(merchants.current(FIRST))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    log.gate.set()
    assert (await patient).state.exists
