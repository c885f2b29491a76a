"""Of those who are not known a few pass in each turn of the event loop, in their order; nobody else waits for them."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from command_api.authentication import Authenticator
from command_api.hot_dispatch import HotDispatch
from command_api.turns import Turns
from schemas.errors import Unauthenticated


async def in_turn(per_turn: int, those: int, *, gone: frozenset[int] = frozenset()) -> list[list[int]]:
    """Who passed in which turn."""
    turns, passed = Turns(per_turn), list[int]()

    async def pass_in_turn(number: int) -> None:
        await turns.take()
        passed.append(number)

    tasks = [asyncio.create_task(pass_in_turn(number)) for number in range(those)]
    seen: list[list[int]] = []
    known = 0
    for turn in range(100):
        await asyncio.sleep(0)
        if turn == 0:
            for number in gone:
                tasks[number].cancel()
        seen.append(passed[known:])
        known = len(passed)
    await asyncio.wait(tasks)
    return [some for some in seen if some]


async def test_so_many_in_each_turn_and_in_their_order() -> None:
    assert await in_turn(3, 8) == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_who_has_gone_takes_no_turn() -> None:
    assert await in_turn(2, 7, gone=frozenset({2, 3, 5})) == [[0, 1], [4, 6]]


async def test_who_comes_alone_waits_for_nothing() -> None:
    turns = Turns(1)
    for _ in range(5):
        taking = turns.take()
        with pytest.raises(StopIteration):
            taking.send(None)
        await asyncio.sleep(0)


async def turns_for(ask: Any, those: int) -> int:
    """How many turns of the loop it takes until all of those who ask together are told."""
    tasks = [asyncio.create_task(ask()) for _ in range(those)]
    turns = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turns += 1
    await asyncio.gather(*tasks, return_exceptions=True)
    return turns


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer nobody"}, {"authorization": "Basic x"}])
async def test_strangers_take_turns(header: dict[str, str]) -> None:
    authenticator = Authenticator(Mock(), Mock(), operator_key_sha256=None)

    async def ask() -> None:
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(header)

    assert await turns_for(ask, 4) <= 3
    assert await turns_for(ask, 400) >= 50


async def test_who_asks_for_what_takes_no_key_takes_turns() -> None:
    async def send(_message: object) -> None:
        pass

    app = HotDispatch([], Mock(), Mock())
    app._edge.refusal = Mock(return_value=Mock(body=b""))  # type: ignore[method-assign]

    async def ask() -> None:
        await app({"type": "http", "method": "GET", "path": "/nothing"}, Mock(), send)

    assert await turns_for(ask, 400) >= 50
