import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from event_store import AlreadyDone, Append, Appended, EventStore, NewEvent, VersionConflict
from schemas.codec import encode
from schemas.events import SettlementDelaySet
from schemas.framing import command_key
from tests.contract import rival
from tests.contract.samples import ENVELOPE, CountedIds, first, following, log_of, positions_are_dense


async def test_what_was_appended_is_read_back_to_the_byte(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(3)
    appended = await store.append(first(ids, stream_id, key="a", events=3))
    assert [record.position for record in appended.records] == [1, 2, 3]
    assert [record.version for record in appended.records] == [1, 2, 3]
    assert await log_of(store, 3) == list(appended.records)
    assert await store.heads() == {0: 0, 1: 0, 2: 0, 3: 3}
    stream = await store.load(stream_id)
    assert stream.records == tuple(record.decoded() for record in appended.records)
    assert (stream.version, stream.record_hash) == (3, appended.records[-1].record_hash)


async def test_key_and_request_hash_stand_on_the_first_event_only(store: EventStore, ids: CountedIds) -> None:
    appended = await store.append(first(ids, ids.new_id(0), key="a", events=2))
    assert [record.command_key for record in appended.records] == [command_key("a"), None]
    assert [record.request_hash for record in appended.records] == [bytes(32), None]


async def test_a_page_of_the_log_starts_behind_a_position(store: EventStore, ids: CountedIds) -> None:
    await store.append(first(ids, ids.new_id(0), events=5))
    assert [record.position for record in await store.read(0, 2, 2)] == [3, 4]


async def test_a_race_on_one_stream_has_one_winner(
    store: EventStore, other_store: EventStore, ids: CountedIds, database: str
) -> None:
    stream_id = ids.new_id(1)
    tip = (await store.append(first(ids, stream_id))).records[-1]
    outcomes = await asyncio.gather(
        *(racer.append(following(ids, tip)) for racer in (store, other_store) * 25), return_exceptions=True
    )
    assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 49
    assert (await store.load(stream_id)).version == 2
    assert await positions_are_dense(database)


async def test_fifty_callers_with_one_key_are_one_command(store: EventStore, ids: CountedIds) -> None:
    commands = [first(ids, ids.new_id(2), key="same") for _ in range(50)]
    outcomes = await asyncio.gather(*(store.append(command) for command in commands), return_exceptions=True)
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Appended)]
    repeats = [outcome for outcome in outcomes if isinstance(outcome, AlreadyDone)]
    assert len(repeats) == 49
    assert {repeat.record.event_id for repeat in repeats} == {winner.records[0].event_id}
    assert await log_of(store, 2) == list(winner.records)


async def test_one_key_from_two_processes_is_one_command(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    for attempt in range(20):
        commands = [first(ids, ids.new_id(2), key=f"same {attempt}") for _ in range(4)]
        outcomes = await asyncio.gather(
            *(racer.append(command) for racer, command in zip((store, other_store) * 2, commands, strict=True)),
            return_exceptions=True,
        )
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Appended)]
        repeats = [outcome for outcome in outcomes if isinstance(outcome, AlreadyDone)]
        assert [repeat.record for repeat in repeats] == [winner.records[0]] * 3


async def test_one_key_from_two_operating_system_processes_is_one_command(
    store: EventStore, ids: CountedIds, database: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.contract.rival", database),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    mine = asyncio.create_task(rival.outcomes(store, ids))
    theirs, _ = await process.communicate(b"go\n")
    for here, there in zip(await mine, theirs.decode().splitlines(), strict=True):
        (whose_here, id_here), (whose_there, id_there) = here.split(), there.split()
        assert {whose_here, whose_there} == {"ours", "theirs"}
        assert id_here == id_there
    assert sum((await store.heads()).values()) == rival.COMMANDS


async def test_the_same_key_in_another_shard_is_another_command(store: EventStore, ids: CountedIds) -> None:
    await store.append(first(ids, ids.new_id(0), key="same"))
    await store.append(first(ids, ids.new_id(1), key="same"))


async def test_a_repeat_of_a_command_that_failed_is_tried_by_itself(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(0)
    tip = (await store.append(first(ids, stream_id))).records[-1]
    stale = first(ids, stream_id, key="a")
    sound = following(ids, tip, key="a")
    outcomes = await asyncio.gather(store.append(stale), store.append(sound), return_exceptions=True)
    assert isinstance(outcomes[0], VersionConflict)
    assert isinstance(outcomes[1], Appended)


async def test_a_stale_token_loses_and_its_batch_does_not(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(0)
    await store.append(first(ids, stream_id, events=2))
    commands = [first(ids, stream_id), *(first(ids, ids.new_id(0)) for _ in range(5))]
    outcomes = await asyncio.gather(*(store.append(command) for command in commands), return_exceptions=True)
    assert isinstance(outcomes[0], VersionConflict)
    assert all(isinstance(outcome, Appended) for outcome in outcomes[1:])


async def test_the_right_version_with_another_hash_is_stale(store: EventStore, ids: CountedIds) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    forged = following(ids, tip)
    forged = Append(forged.stream_id, forged.expected_version, b"x" * 32, forged.events)
    with pytest.raises(VersionConflict):
        await store.append(forged)


async def test_a_version_that_is_yet_to_come_is_stale(store: EventStore, ids: CountedIds) -> None:
    ahead = first(ids, ids.new_id(0))
    for expected_hash in (bytes(32), b"x" * 32):
        with pytest.raises(VersionConflict):
            await store.append(Append(ahead.stream_id, 1, expected_hash, ahead.events))
    assert await log_of(store, 0) == []


async def test_the_second_command_of_a_stream_waits_for_the_next_flush(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(0)
    one = first(ids, stream_id)
    # The second is decided on the first before that is stored, as only a test can.
    from event_store.appends import sealed

    two = Append(stream_id, 1, sealed(one).hashes[-1], first(ids, stream_id).events)
    outcomes = await asyncio.gather(store.append(one), store.append(two))
    assert [outcome.records[0].version for outcome in outcomes] == [1, 2]


async def test_what_has_gathered_is_one_transaction_of_at_most_256_commands(
    store: EventStore, ids: CountedIds, database: str
) -> None:
    await asyncio.gather(*(store.append(first(ids, ids.new_id(number % 4))) for number in range(600)))
    connection: Any = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT count(*) AS commands FROM events GROUP BY xmin::text ORDER BY min(xmin::text::bigint)"
        )
    finally:
        await connection.close()
    assert [row["commands"] for row in rows] == [256, 256, 88]


@pytest.mark.parametrize("kind", ["too large", "NUL in its type", "half a surrogate in its type"])
async def test_a_poison_command_harms_nobody_but_itself(
    store: EventStore, ids: CountedIds, kind: str, database: str
) -> None:
    frame = encode(SettlementDelaySet(delay_s=1))
    name = "SettlementDelaySet"
    poisons = {
        "too large": NewEvent(ids.new_id(0), name, frame + bytes(65536), ENVELOPE.canonical()),
        "NUL in its type": NewEvent(ids.new_id(0), "a\0b", frame, ENVELOPE.canonical()),
        "half a surrogate in its type": NewEvent(ids.new_id(0), "a\ud800", frame, ENVELOPE.canonical()),
    }
    poison = first(ids, ids.new_id(0), key="poison")
    poison = Append(poison.stream_id, 0, poison.expected_hash, (poisons[kind],), poison.command_key)
    commands = [first(ids, ids.new_id(number % 4)) for number in range(99)]
    commands.insert(42, poison)
    outcomes = await asyncio.gather(*(store.append(command) for command in commands), return_exceptions=True)
    assert isinstance(outcomes.pop(42), Exception)
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    assert await store.find_command(0, command_key("poison")) is None
    assert await positions_are_dense(database)


async def test_time_never_goes_back_along_a_shard(store: EventStore, ids: CountedIds, database: str) -> None:
    connection = await asyncpg.connect(database)
    ahead_ms = 32_000_000_000_000
    await connection.execute("UPDATE heads SET recorded_at = $1 WHERE shard = 0", ahead_ms)
    await connection.close()
    assert (await store.append(first(ids, ids.new_id(0)))).records[0].recorded_at == ahead_ms
    assert (await store.append(first(ids, ids.new_id(1)))).records[0].recorded_at < ahead_ms


async def test_a_stream_of_a_shard_that_is_not_there_is_refused(store: EventStore, ids: CountedIds) -> None:
    with pytest.raises(ValueError, match="shard 4"):
        await store.append(first(ids, ids.new_id(4)))
