"""Two processes' stores on one database whose server ends their connections at random, under keys that both of them use."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from event_store import AlreadyDone, Appended, EventStore, Executed, StoreOptions, VersionConflict
from schemas.errors import ConcurrentUpdate, ShardUnavailable
from schemas.events import Event, SettlementDelaySet
from schemas.framing import command_key
from schemas.records import Record, RecordedEvent
from tests.conftest import TEST_SHARDS
from tests.contract.samples import ENVELOPE, CountedIds, first, log_of
from tests.oracles.store import faults_of_log

SECONDS = 4.0
CALLERS = 64
END_EVERY_S = 0.05
_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'guilder %' ORDER BY random() LIMIT $1
"""


class Marks:
    """An aggregate that keeps the mark of each command, and stores odd ones twice."""

    def initial(self) -> tuple[int, ...]:
        return ()

    def decide(self, command: int, _state: tuple[int, ...], /) -> Sequence[Event]:
        return [SettlementDelaySet(delay_s=command)] * (1 + command % 2)

    def evolve(self, state: tuple[int, ...], recorded: RecordedEvent, /) -> tuple[int, ...]:
        assert isinstance(recorded.event, SettlementDelaySet)
        return (*state, recorded.event.delay_s)


MARKS = Marks()


class Told(msgspec.Struct, frozen=True):
    """One call: under which key, with which mark of its own, and what came of it."""

    key: UUID | None
    mark: int
    outcome: Any


class Callers:
    """Callers of either store: half of their keys were used before, some of them do not wait for the answer."""

    def __init__(self, stores: Sequence[EventStore], dice: random.Random) -> None:
        self._stores = stores
        self._dice = dice
        self._ids = CountedIds()
        self._streams = [self._ids.new_id(number % TEST_SHARDS) for number in range(12)]
        self._marks = 0
        self.told: list[Told] = []

    async def run(self, stop: asyncio.Event) -> None:
        dice = self._dice
        while not stop.is_set():
            self._marks += 1
            mark, number = self._marks, dice.randrange(self._marks // 4 + 1)
            key = f"key {number}" if dice.random() < 0.9 else None
            patience_s = dice.uniform(0, 0.02) if dice.random() < 0.1 else None
            call = self._append if dice.random() < 0.3 else self._execute
            outcome: Any
            try:
                async with asyncio.timeout(patience_s):
                    outcome = await call(dice.choice(self._stores), number % TEST_SHARDS, key, mark)
            except (AlreadyDone, VersionConflict, ConcurrentUpdate, ShardUnavailable, TimeoutError) as error:
                outcome = error
            self.told.append(Told(None if key is None else command_key(key), mark, outcome))

    async def _append(self, store: EventStore, shard: int, key: str | None, mark: int) -> Appended:
        return await store.append(first(self._ids, self._ids.new_id(shard), key=key, events=1 + mark % 2))

    async def _execute(self, store: EventStore, shard: int, key: str | None, mark: int) -> Executed[tuple[int, ...]]:
        return await store.execute(
            MARKS,
            self._dice.choice(self._streams[shard::TEST_SHARDS]),
            mark,
            envelope=ENVELOPE,
            event_ids=self._ids,
            command_key=None if key is None else command_key(key),
            request_hash=None if key is None else bytes(32),
        )


async def end_connections(dsn: str, dice: random.Random, stop: asyncio.Event) -> int:
    """End some of the stores' connections every now and then, sometimes all of them; how many it were."""
    connection: Any = await asyncpg.connect(dsn)
    ended = 0
    while not stop.is_set():
        await asyncio.sleep(dice.uniform(0, 2 * END_EVERY_S))
        ended += len(await connection.fetch(_END, dice.choice((1, 1, 2, 20))))
    await connection.close()
    return ended


async def test_connections_that_the_server_ends_lose_double_and_confuse_nothing(database: str) -> None:
    dice = random.Random(1)
    stores = [await EventStore.open(StoreOptions(dsn=database)) for _ in range(2)]
    callers, stop = Callers(stores, dice), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        ending = tasks.create_task(end_connections(database, dice, stop))
        for _ in range(CALLERS):
            tasks.create_task(callers.run(stop))
        await asyncio.sleep(SECONDS)
        stop.set()
    log = {shard: await log_of(stores[0], shard) for shard in range(TEST_SHARDS)}
    assert await stores[1].heads() == {shard: len(records) for shard, records in log.items()}
    for store in stores:
        await store.close()
    assert ending.result() > 10
    # The sample's events all bear ids of one shard.
    assert [fault for fault in faults_of_log(log) if "an id of another shard" not in fault] == []
    assert faults_of_what_was_told(callers.told, [record for shard in log.values() for record in shard]) == []
    assert {Appended, Executed, AlreadyDone} <= {type(one.outcome) for one in callers.told}


def faults_of_what_was_told(told: Sequence[Told], log: Sequence[Record]) -> list[str]:
    """Answers that are not what the log holds, or another command's, and keys that were done twice."""
    owners = {record.command_key: record for record in log if record.command_key is not None}
    streams: dict[UUID, list[Record]] = {}
    for record in log:
        streams.setdefault(record.stream_id, []).append(record)
    stored_under = Counter(record.command_key for record in log if record.command_key is not None)
    faults = [f"{key} stands {times} times in the log" for key, times in stored_under.items() if times > 1]
    done: Counter[UUID] = Counter()
    for one in told:
        owner = None if one.key is None else owners.get(one.key)
        match one.outcome:
            case AlreadyDone() as repeat:
                if owner is None or repeat.record != owner:
                    faults.append(f"{one.mark}: answered with what is not under its key")
                continue
            case Appended(records):
                version = records[-1].version
                right = list(records) == streams[records[0].stream_id][version - len(records) : version]
                first_id = records[0].event_id
            case Executed(state, appended, stream):
                whole = streams[stream.stream_id][: stream.version]
                decoded = tuple(record.decoded() for record in whole)
                right = (
                    (stream.records, appended) == (decoded, decoded[-len(appended) :])
                    and state == tuple(MARKS.evolve((), each)[0] for each in decoded)
                    and set(state[-len(appended) :]) == {one.mark}
                    and stream.record_hash == whole[-1].record_hash
                    and stream.stored_bytes == sum(len(record.payload) + len(record.metadata) for record in whole)
                )
                first_id = appended[0].event_id
            case _:
                continue
        if not right:
            faults.append(f"{one.mark}: was told what the log does not hold")
        if one.key is not None:
            done[one.key] += 1
            if owner is None or owner.event_id != first_id:
                faults.append(f"{one.mark}: what was stored for it is not under its key")
    return faults + [f"{key} was done {times} times" for key, times in done.items() if times > 1]
