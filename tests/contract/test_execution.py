import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from event_store import AlreadyDone, EventStore, Executed
from schemas.errors import ConcurrentUpdate, Rejected, VersionMismatch
from schemas.events import Event
from schemas.framing import command_key
from tests.contract.samples import (
    ENVELOPE,
    Budget,
    BudgetDecider,
    BudgetExceeded,
    CountedIds,
    Spend,
    first,
    following,
    log_of,
)

DECIDER = BudgetDecider()


async def spend(
    store: EventStore,
    ids: CountedIds,
    stream_id: UUID,
    amount: int,
    *,
    key: str | None = None,
    expected_version: int | None = None,
) -> Executed[Budget]:
    return await store.execute(
        DECIDER,
        stream_id,
        Spend(amount),
        envelope=ENVELOPE,
        event_ids=ids,
        command_key=None if key is None else command_key(key),
        expected_version=expected_version,
    )


async def test_a_command_is_decided_on_all_that_came_before(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(1)
    await spend(store, ids, stream_id, 60)
    executed = await spend(store, ids, stream_id, 40)
    assert executed.state == Budget(spent=100, times=2)
    assert [recorded.version for recorded in executed.appended] == [2]
    assert executed.stream == await store.load(stream_id)
    with pytest.raises(BudgetExceeded):
        await spend(store, ids, stream_id, 1)
    assert len(await log_of(store, 1)) == 2


async def test_what_execute_returns_is_what_the_log_holds(store: EventStore, ids: CountedIds) -> None:
    executed = await spend(store, ids, ids.new_id(0), 7)
    (record,) = await log_of(store, 0)
    assert executed.appended == (record.decoded(),)


async def test_a_cap_survives_a_race_of_two_processes(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    stream_id = ids.new_id(0)
    outcomes = await asyncio.gather(
        *(spend(racer, ids, stream_id, 10) for racer in (store, other_store) * 20), return_exceptions=True
    )
    assert sum(isinstance(outcome, Executed) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, BudgetExceeded) for outcome in outcomes) == 30
    assert (await store.load(stream_id)).version == 10


async def test_a_refusal_is_given_on_the_newest_state_only(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    class Refund(BudgetDecider):
        """Nothing may be spent before two others have spent."""

        def decide(self, command: Spend, state: Budget, /) -> Sequence[Event]:
            if state.times < 2:
                raise BudgetExceeded
            return super().decide(command, state)

    stream_id = ids.new_id(0)
    await spend(store, ids, stream_id, 1)
    await spend(other_store, ids, stream_id, 1)  # behind the back of the first process's cache
    executed = await store.execute(Refund(), stream_id, Spend(1), envelope=ENVELOPE, event_ids=ids)
    assert executed.state.times == 3


async def test_nothing_left_to_do_stores_nothing_and_leaves_the_key_free(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(0)
    executed = await spend(store, ids, stream_id, 0, key="a")
    assert executed.appended == ()
    assert await store.find_command(0, command_key("a")) is None
    await spend(store, ids, stream_id, 5, key="a")


async def test_a_rejected_command_leaves_its_key_free(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(0)
    with pytest.raises(BudgetExceeded):
        await spend(store, ids, stream_id, 101, key="a")
    await spend(store, ids, stream_id, 100, key="a")


@pytest.mark.parametrize("expected_version", [None, 0])
async def test_a_repeat_is_a_repeat_even_where_the_state_would_refuse_it(
    store: EventStore, ids: CountedIds, expected_version: int | None
) -> None:
    stream_id = ids.new_id(0)
    done = await spend(store, ids, stream_id, 100, key="a", expected_version=expected_version)
    with pytest.raises(AlreadyDone) as repeat:
        await spend(store, ids, stream_id, 100, key="a", expected_version=expected_version)
    assert repeat.value.record.decoded() == done.appended[0]


async def test_a_hundred_repeats_at_once_are_one_command(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    stream_id = ids.new_id(0)
    outcomes = await asyncio.gather(
        *(spend(racer, ids, stream_id, 60, key="a") for racer in (store, other_store) * 50), return_exceptions=True
    )
    assert sum(isinstance(outcome, Executed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyDone) for outcome in outcomes) == 99


async def test_another_version_than_expected_is_refused(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(0)
    await spend(store, ids, stream_id, 1)
    await spend(store, ids, stream_id, 1, expected_version=1)
    for wrong in (0, 1, 3):
        with pytest.raises(VersionMismatch):
            await spend(store, ids, stream_id, 1, expected_version=wrong)
    assert (await store.load(stream_id)).version == 2


async def test_an_expected_version_is_compared_with_the_newest(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    stream_id = ids.new_id(0)
    await spend(store, ids, stream_id, 1)
    await spend(other_store, ids, stream_id, 1)
    with pytest.raises(VersionMismatch):
        await spend(store, ids, stream_id, 1, expected_version=1)
    assert (await spend(store, ids, stream_id, 1, expected_version=2)).stream.version == 3


async def test_a_stream_that_never_stands_still_is_given_up(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    stream_id = ids.new_id(0)
    await spend(store, ids, stream_id, 1)
    moves = 0

    class Faster(BudgetDecider):
        """While it decides, another process is always faster."""

        def decide(self, command: Spend, state: Budget, /) -> Sequence[Event]:
            nonlocal moves
            moves += 1
            return super().decide(command, Budget(spent=0, times=state.times))

    append = store._execution._append

    async def beaten(command: object) -> object:
        tip = await other_store.load(stream_id)
        await other_store.append(following(ids, tip))
        return await append(command)  # type: ignore[arg-type]

    store._execution._append = beaten  # type: ignore[assignment]
    with pytest.raises(ConcurrentUpdate):
        await store.execute(Faster(), stream_id, Spend(1), envelope=ENVELOPE, event_ids=ids)
    assert moves == 17, "the first decision and sixteen more"


async def test_different_streams_do_not_wait_for_each_other(store: EventStore, ids: CountedIds) -> None:
    streams = [ids.new_id(number % 4) for number in range(64)]
    executed = await asyncio.gather(*(spend(store, ids, stream_id, 1, expected_version=0) for stream_id in streams))
    assert {result.stream.version for result in executed} == {1}


async def test_of_many_who_say_that_a_stream_is_new_one_is_right(store: EventStore, ids: CountedIds) -> None:
    stream_id = ids.new_id(2)
    outcomes = await asyncio.gather(
        *(spend(store, ids, stream_id, 1, expected_version=0) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Executed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionMismatch) for outcome in outcomes) == 19
    assert len(await log_of(store, 2)) == 1
    assert not store._execution._turns


async def test_of_many_who_make_the_same_new_stream_under_one_key_all_but_one_repeat(
    store: EventStore, ids: CountedIds
) -> None:
    stream_id = ids.new_id(3)
    outcomes = await asyncio.gather(
        *(spend(store, ids, stream_id, 1, key="k", expected_version=0) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Executed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyDone) for outcome in outcomes) == 19
    assert len(await log_of(store, 3)) == 1


async def test_the_cache_is_bounded_and_forgetting_changes_nothing(store: EventStore, ids: CountedIds) -> None:
    streams = [ids.new_id(0) for _ in range(5)]
    length = (await spend(store, ids, ids.new_id(0), 1)).stream.stored_bytes
    store._execution._cache._limit = 4 * length
    for amount in (1, 2):
        for stream_id in streams:
            assert (await spend(store, ids, stream_id, amount)).state.times == amount
    known = [store._execution._cache.stream(stream_id) for stream_id in streams]
    assert [None if stream is None else stream.version for stream in known] == [None, None, None, 2, 2]


async def test_a_refusal_that_is_no_rejection_is_the_callers_to_see(store: EventStore, ids: CountedIds) -> None:
    class Broken(BudgetDecider):
        def decide(self, command: Spend, state: Budget, /) -> Sequence[Event]:
            raise ZeroDivisionError((command, state))

    stream_id = ids.new_id(0)
    with pytest.raises(ZeroDivisionError):
        await store.execute(Broken(), stream_id, Spend(1), envelope=ENVELOPE, event_ids=ids)
    assert store._execution._turns == {}
    with pytest.raises(Rejected):
        await spend(store, ids, stream_id, 101)
    assert store._execution._turns == {}


async def test_a_find_of_many_keys_is_answered_each(store: EventStore, ids: CountedIds) -> None:
    appended = [await store.append(first(ids, ids.new_id(0), key=f"key {number}")) for number in range(3)]
    keys = [command_key(f"key {number}") for number in range(4)]
    found = await asyncio.gather(*(store.find_command(0, key) for key in keys))
    assert found == [*(one.records[0] for one in appended), None]
