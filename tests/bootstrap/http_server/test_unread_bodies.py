"""Answers that are sent before a request's body has come: they arrive, and nothing behind them is taken for anything else."""

import gc

import pytest

from bootstrap.http_server import guarded_protocol
from tests.bootstrap.http_server.conftest import Place, Raw, Serve
from tests.bootstrap.http_server.test_framing import CHUNKED, HIDDEN
from tests.bootstrap.http_server.test_limits import until

EARLY = b"POST /early HTTP/1.1\r\nHost: a\r\n"
ENDING = {
    "HTTP/1.1": EARLY + b"Connection: close\r\n",
    "HTTP/1.0": b"POST /early HTTP/1.0\r\n",
    "expecting": EARLY + b"Expect: 100-continue\r\n",
}
LARGE = 900_000


@pytest.fixture(autouse=True)
def _short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_protocol, "LINGER_S", 0.05)


@pytest.fixture(params=ENDING.values(), ids=list(ENDING))
def ending(request: pytest.FixtureRequest) -> bytes:
    head: bytes = request.param
    return head


async def early(place: Place, head: bytes) -> Raw:
    """A connection on which a request without its body was answered; the server has said that it ends."""
    raw = await place.open()
    await raw.send(head)
    answer = await raw.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"early", "close")
    return raw


async def test_who_sends_the_body_all_the_same_is_not_reset(place: Place, ending: bytes) -> None:
    raw = await early(place, ending + b"Content-Length: %d\r\n\r\n" % LARGE)
    for _ in range(LARGE // 10_000):
        await raw.send(b"x" * 10_000)
    await raw.send(HIDDEN)
    assert await raw.rest() == b""
    assert place.application.served == []


@pytest.mark.parametrize(
    ("with_head", "later"),
    [(b"hello" + HIDDEN, b""), (b"", b"hello" + HIDDEN), (b"", HIDDEN), (b"hel", b"lo" + HIDDEN)],
    ids=["all in one piece", "the body later", "in the body's place", "the body in two"],
)
async def test_nothing_behind_it_is_served(place: Place, ending: bytes, with_head: bytes, later: bytes) -> None:
    raw = await early(place, ending + b"Content-Length: 5\r\n\r\n" + with_head)
    await raw.send(later)
    assert await raw.ended()
    await until(lambda: not place.state.connections)
    assert place.application.served == []


LAST = {
    "HTTP/1.0": b"GET /early HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "closing": b"GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "expecting": ENDING["expecting"] + b"Content-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("rest", [b"5\r\nhello\r\n0\r\n\r\n", b"xyz\r\n"], ids=["whole", "broken"])
@pytest.mark.parametrize("last", LAST.values(), ids=LAST.keys())
async def test_what_came_together_with_the_last_request_is_not_served(place: Place, last: bytes, rest: bytes) -> None:
    raw = await early(place, last + HIDDEN + CHUNKED + b"\r\n")
    await raw.send(rest)
    assert await raw.ended()
    await until(lambda: not place.state.connections)
    assert place.application.served == []


async def test_a_body_that_does_not_come_is_not_waited_for_long(serve: Serve, ending: bytes) -> None:
    async with serve(request_within_s=0.1) as place:
        raw = await early(place, ending + b"Content-Length: 5\r\n\r\n")
        assert await raw.rest() == b""
        await until(lambda: not place.state.connections)


async def test_a_broken_body_behind_an_answer_has_no_answer_of_its_own(place: Place, ending: bytes) -> None:
    head = ending.replace(b"HTTP/1.0\r\n", b"HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")
    raw = await early(place, head + b"Transfer-Encoding: chunked\r\n\r\n")
    await raw.send(b"xyz\r\n" + HIDDEN)
    assert await raw.rest() == b""
    assert place.application.served == []


async def test_who_was_told_to_go_on_may_ask_for_more(place: Place) -> None:
    raw = await place.open()
    for _ in range(2):
        await raw.send(b"POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert (await raw.answer()).status == 100
        await raw.send(b"hello")
        answer = await raw.answer()
        assert (answer.json()["body"], answer.headers.get("connection")) == ("hello", None)


async def test_a_refused_body_before_others_on_a_connection_that_stays(place: Place) -> None:
    raw = await place.open()
    await raw.send(EARLY + b"Content-Length: 5\r\n\r\n")
    assert (await raw.answer()).body == b"early"
    await raw.send(b"hello" + HIDDEN)
    assert (await raw.answer()).json()["path"] == "/hidden"


async def test_a_connection_leaves_nothing_to_the_collector_of_cycles(place: Place) -> None:
    async def ask(times: int) -> None:
        for _ in range(times):
            raw = await place.open()
            await raw.send(b"GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in await raw.rest()
            raw.writer.close()

    await ask(10)
    gc.collect()
    gc.disable()
    try:
        await ask(100)
        held = sum(type(left).__name__ == "OrderlyTransport" for left in gc.get_objects())
    finally:
        gc.enable()
    assert held < 10
