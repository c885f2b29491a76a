"""What `guilder bench hostile` does to a server is what it is named after, and meets its limit."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bootstrap.bench.hostile.attack import Attack, Seen
from bootstrap.bench.hostile.attacks import Attacker
from tests.bootstrap.http_server.conftest import Place, Serve


@pytest.fixture
async def guarded(serve: Serve) -> AsyncIterator[Place]:
    limits = {"head_within_s": 0.1, "request_within_s": 0.1, "keep_alive_s": 0.1, "answer_taken_within_s": 0.1}
    async with serve(max_head_bytes=2048, **limits) as place:
        yield place


async def attacked(place: Place, kind: str, until: Callable[[Seen], object]) -> Seen:
    """Attack until something is seen."""
    attacker = Attacker(Attack(kind=kind, port=place.port, connections=3, seconds=10, bearer="a-key"))
    attack = asyncio.create_task(attacker.run())
    while not until(attacker.seen) and not attack.done():  # noqa: ASYNC110 - what is seen tells nobody
        await asyncio.sleep(0.02)
    attack.cancel()
    await asyncio.wait([attack])
    return attacker.seen


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("slow heads", 408),
        ("slow bodies", 408),
        ("large heads", 431),
        ("large bodies", 413),
        ("pipelining", 503),
        ("invalid requests", 200),
        ("a merchant's flood", 200),
        ("wrong keys", 200),
        ("metrics", 200),
        ("no key", 200),
    ],
)
async def test_each_attack_meets_its_limit(guarded: Place, kind: str, status: int) -> None:
    seen = await attacked(guarded, kind, lambda seen: status in seen.statuses)
    assert status in seen.statuses, seen
    assert await guarded.still_serves()


async def test_who_waits_for_nothing_is_gone_at_once(guarded: Place) -> None:
    seen = await attacked(guarded, "abandoned waits", lambda seen: seen.connected > 6)
    assert not seen.statuses
    assert guarded.application.served
    assert await guarded.still_serves()


@pytest.mark.parametrize("kind", ["idle connections", "slow readers"])
async def test_who_says_nothing_or_takes_nothing_is_let_go(guarded: Place, kind: str) -> None:
    seen = await attacked(guarded, kind, lambda seen: seen.ended)
    assert not seen.statuses
    assert seen.ended
    assert await guarded.still_serves()
