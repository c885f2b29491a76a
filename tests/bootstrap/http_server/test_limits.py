"""Each limit: where it lies, what a client hears of it, and that others are served meanwhile."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast
from unittest.mock import Mock
from uuid import UUID

import prometheus_client
import pytest

from bootstrap.http_server import connection_watch, with_files_for
from bootstrap.http_server.guarded_protocol import LINGER_BYTES, MAX_WIRE_BYTES, GuardedProtocol
from bootstrap.settings import HttpLimits
from command_api.request_ids import RequestIds
from tests.bootstrap.http_server.conftest import Place, Raw, Serve
from tests.bootstrap.http_server.test_framing import CHUNKED, HIDDEN, POST, check_problem

GET = b"GET /p HTTP/1.1\r\nHost: a\r\n"


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


def padded(total: int) -> bytes:
    """A request whose line's path and fields take `total` bytes together."""
    return GET + b"X: " + b"x" * (total - len(b"/pHostaX")) + b"\r\n\r\n"


async def test_a_head_has_its_size(serve: Serve) -> None:
    async with serve(max_head_bytes=2048) as place:
        assert (await place.ask(padded(2048))).status == 200
        check_problem(await place.ask(padded(2049)), 431, "headers_too_large")
        check_problem(
            await place.ask(b"GET /" + b"p" * 2048 + b" HTTP/1.1\r\nHost: a\r\n\r\n"), 431, "headers_too_large"
        )


@pytest.mark.parametrize("endless", [GET + b"X: ", GET + b"X", b"GET /", GET], ids=["value", "name", "path", "fields"])
async def test_a_head_that_does_not_end_is_cut_off(serve: Serve, endless: bytes) -> None:
    piece = b"Y: y\r\n" * 100 if endless == GET else b"x" * 600
    async with serve(max_head_bytes=2048) as place:
        raw = await place.open()
        await raw.send(endless)
        for _ in range(8):
            await asyncio.sleep(0.005)
            await raw.send(piece)
        check_problem(await raw.answer(), 431, "headers_too_large")
        assert await place.still_serves()


def figure(name: str, **labels: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_operator_sees_how_many_are_connected_and_what_was_refused(serve: Serve) -> None:
    def connected() -> float:
        return figure("guilder_http_connections")

    def refused() -> float:
        return figure("guilder_http_refused_below_application_total", code="headers_too_large")

    async with serve(max_head_bytes=2048) as place:
        assert await place.still_serves()
        others, before = connected(), refused()
        raw = await place.open()
        await raw.send(padded(2048))
        assert (await raw.answer()).status == 200
        assert (connected(), refused()) == (others + 1, before)
        await raw.send(padded(2049))
        check_problem(await raw.answer(), 431, "headers_too_large")
        assert refused() == before + 1
        raw.writer.transport.abort()
        await until(lambda: connected() == others)


async def test_fields_are_counted(serve: Serve) -> None:
    async with serve(max_headers=20) as place:
        assert (await place.ask(GET + b"X: y\r\n" * 19 + b"\r\n")).status == 200
        check_problem(await place.ask(GET + b"X: y\r\n" * 20 + b"\r\n"), 431, "headers_too_large")


async def test_a_head_that_dribbles_is_timed(serve: Serve) -> None:
    async with serve(head_within_s=0.1) as place:
        raw = await place.open()
        dribble = asyncio.create_task(dribbled(raw, [GET + b"X: ", *[b"y"] * 10_000]))
        check_problem(await raw.answer(), 408, "request_timeout")
        dribble.cancel()
        assert await place.still_serves()


@pytest.mark.parametrize("head", [POST + b"Content-Length: 9\r\n\r\n", CHUNKED + b"\r\n1;"], ids=["length", "chunks"])
async def test_a_body_that_dribbles_is_timed_and_its_handler_told(serve: Serve, head: bytes) -> None:
    async with serve(request_within_s=0.1) as place:
        raw = await place.open()
        await raw.send(head)
        check_problem(await raw.answer(), 408, "request_timeout")
        assert await raw.rest() == b""
        await until(lambda: place.application.gone == 1)
        assert place.application.served == []
        assert await place.still_serves()


async def dribbled(raw: Any, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        await raw.send(piece)
        await asyncio.sleep(0.005)


async def test_a_slow_handler_is_not_the_clients_fault(serve: Serve) -> None:
    async with serve(head_within_s=0.05, request_within_s=0.05, keep_alive_s=0.05) as place:
        raw = await place.open()
        await raw.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await place.application.slow_begun.wait()
        await asyncio.sleep(0.3)
        place.application.may_go.set()
        assert (await raw.answer()).status == 200


@pytest.mark.parametrize("first", [b"", GET + b"\r\n"], ids=["never used", "used"])
async def test_an_idle_connection_is_closed_without_a_word(serve: Serve, first: bytes) -> None:
    async with serve(keep_alive_s=0.1) as place:
        raw = await place.open()
        await raw.send(first)
        if first:
            assert (await raw.answer()).status == 200
        assert await raw.ended()


async def test_empty_lines_are_no_sign_of_life(serve: Serve) -> None:
    async with serve(keep_alive_s=0.1) as place:
        raw = await place.open()
        await raw.send(GET + b"\r\n")
        assert (await raw.answer()).status == 200
        dribble = asyncio.create_task(dribbled(raw, [b"\r\n"] * 5000))
        assert await raw.ended()
        dribble.cancel()


async def test_time_counts_for_each_request_anew(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(keep_alive_s=10, head_within_s=10, request_within_s=10) as place:
        monkeypatch.setattr(connection_watch, "LOOK_EVERY_S", 3600)
        raw = await place.open()
        now = asyncio.get_running_loop().time() + 3600
        for _ in range(4):
            await raw.send(GET)
            await until(lambda: is_open(place))
            look(place, now)
            look(place, now + 6)
            await raw.send(b"\r\n")
            assert (await raw.answer()).status == 200
            look(place, now + 12)
            now += 18


def look(place: Place, now: float) -> None:
    for connection in list(place.state.connections):
        cast("GuardedProtocol", connection).look(now)


def is_open(place: Place) -> bool:
    return any(cast("GuardedProtocol", connection)._open for connection in place.state.connections)


async def used(place: Place) -> Raw:
    """A connection that has brought a request, and waits for its client to bring another."""
    raw = await place.open()
    await raw.send(GET + b"\r\n")
    assert (await raw.answer()).status == 200
    return raw


async def test_who_has_brought_no_request_gives_way_when_the_house_is_full(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_watch, "UNPROVEN_FOR_S", 0)
    async with serve(max_connections=3) as place:
        proven, idle, partial = await used(place), await place.open(), await place.open()
        await partial.send(GET)
        await until(lambda: is_open(place))
        newcomers = [await used(place), await used(place)]
        assert await idle.ended()
        assert await partial.ended()
        for raw in (proven, *newcomers):
            await raw.send(GET + b"\r\n")
            assert (await raw.answer()).status == 200


async def test_a_request_that_takes_no_key_reserves_no_place(serve: Serve) -> None:
    async with serve(max_connections=4) as place:
        first, unfinished, busy, second = await used(place), await used(place), await place.open(), await used(place)
        await unfinished.send(GET)
        await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await place.application.slow_begun.wait()
        await first.send(GET + b"\r\n")
        assert (await first.answer()).status == 200
        for leaves in (unfinished, second, first):
            assert await place.still_serves()
            assert await leaves.ended()
        place.application.may_go.set()
        assert (await busy.answer()).status == 200


async def test_who_has_just_come_is_not_the_first_to_go(serve: Serve) -> None:
    async with serve(max_connections=3) as place:
        for _ in range(2):
            await used(place)
        just_come = await place.open()
        assert await place.still_serves()
        assert await place.still_serves()
        await just_come.send(GET + b"\r\n")
        assert (await just_come.answer()).status == 200


async def test_each_newcomer_has_a_place_of_its_own() -> None:
    watch = connection_watch.ConnectionWatch(HttpLimits(max_connections=2), RequestIds(UUID(int=1)))
    connections = [Mock() for _ in range(4)]
    assert all(watch.admit(one) for one in connections)
    assert [one.give_way.call_count for one in connections] == [1, 1, 0, 0]
    for one in connections:
        watch.gone(one)


async def test_a_house_full_of_work_turns_others_away(serve: Serve) -> None:
    async with serve(max_connections=2) as place:
        for _ in range(2):
            await (await place.open()).send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(place.application.served) == 2)
        answer = await place.ask(GET + b"\r\n")
        check_problem(answer, 503, "overloaded")
        assert answer.headers["retry-after"]


async def test_pipelined_requests_are_answered_in_their_order(place: Place) -> None:
    raw = await place.open()
    await raw.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(10)))
    assert [(await raw.answer()).json()["path"] for _ in range(10)] == [f"/{number}" for number in range(10)]


async def test_not_too_many_wait_on_one_connection(serve: Serve) -> None:
    async with serve(max_pipelined=4) as place:
        raw = await place.open()
        await raw.send((GET + b"\r\n") * 100)
        answers = [await raw.answer() for _ in range(6)]
        assert [answer.status for answer in answers] == [200] * 5 + [503]
        check_problem(answers[-1], 503, "overloaded")
        assert await raw.rest() == b""
        assert len(place.application.served) == 5


@pytest.mark.parametrize("broken", [b"\0", POST + b"Content-Length: x\r\n\r\n"])
async def test_a_broken_request_is_not_taken_for_the_answer_to_the_one_before(place: Place, broken: bytes) -> None:
    raw = await place.open()
    await raw.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await place.application.slow_begun.wait()
    await raw.send(GET + b"\r\n" + broken + HIDDEN)
    await asyncio.sleep(0.05)
    place.application.may_go.set()
    assert [(await raw.answer()).json()["path"] for _ in range(2)] == ["/slow", "/p"]
    assert await raw.rest() == b""
    assert place.application.served == ["/slow", "/p"]


async def test_a_broken_body_in_the_queue_is_refused_in_its_turn(place: Place) -> None:
    raw = await place.open()
    await raw.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + CHUNKED + b"\r\nxyz\r\n" + HIDDEN)
    await place.application.slow_begun.wait()
    place.application.may_go.set()
    assert (await raw.answer()).json()["path"] == "/slow"
    check_problem(await raw.answer(), 400, "malformed_request")
    assert await raw.rest() == b""


@pytest.mark.parametrize("piece", [b"1;x=" + b"y" * 60_000 + b"\r\nz\r\n", b"1\r\nz\r\n" * 10_000])
async def test_a_body_does_not_go_on_for_ever_in_the_framing(place: Place, piece: bytes) -> None:
    raw = await place.open()
    await raw.send(CHUNKED + b"\r\n")
    for _ in range(MAX_WIRE_BYTES // len(piece) + 2):
        await raw.send(piece)
    check_problem(await raw.answer(), 413, "body_too_large")
    await until(lambda: place.application.gone == 1)


async def test_fields_after_a_body_do_not_go_on_for_ever(place: Place) -> None:
    raw = await place.open()
    await raw.send(CHUNKED + b"\r\n0\r\nX: ")
    for _ in range(MAX_WIRE_BYTES // 60_000 + 2):
        await raw.send(b"x" * 60_000)
    check_problem(await raw.answer(), 413, "body_too_large")


async def test_what_follows_an_early_answer_is_not_read_for_ever(place: Place) -> None:
    raw = await place.open()
    await raw.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000\r\n\r\n")
    assert (await raw.answer()).status == 200
    with pytest.raises(ConnectionError):
        await dribbled(raw, [b"x" * 60_000] * ((MAX_WIRE_BYTES + 4 * LINGER_BYTES) // 60_000 * 10))


async def test_who_does_not_take_its_answer_is_let_go(serve: Serve) -> None:
    async with serve(answer_taken_within_s=0.1) as place:
        raw = await place.open()
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can
        await raw.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: place.state.connections)
        await until(lambda: not place.state.connections)
        assert await place.still_serves()


async def test_little_is_written_for_who_does_not_read(place: Place) -> None:
    raw = await place.open()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can
    await raw.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    written = 0
    while not written or written < place.application.pieces:
        written = place.application.pieces
        await asyncio.sleep(0.2)
    assert written <= 16  # of 1,024 pieces of 64 KiB; the system chooses what the client's side holds


def test_a_process_keeps_files_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _kind: (1024, 4096))
    monkeypatch.setattr("resource.setrlimit", lambda _kind, limits: asked.append(limits))
    assert with_files_for(HttpLimits(max_connections=10_000)).max_connections == 4096 - 256
    assert with_files_for(HttpLimits(max_connections=500)).max_connections == 500
    assert asked == [(4096, 4096)]
