"""What is no HTTP/1.1, or not surely, is refused with a problem document, and nothing behind it is read."""

import asyncio

import pytest

from tests.bootstrap.http_server.conftest import Answer, Place

POST = b"POST /p HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

NOT_HTTP = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "an empty length": POST + b"Content-Length: \r\n\r\n",
    "a length that no machine holds": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a folded field": POST + b"X: a\r\n b\r\n\r\n",
    "a folded encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "lines without a return": b"POST /p HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello",
    "a return without a line": POST + b"X: a\rY: b\r\n\r\n",
    "chunked, then another encoding": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding that is not chunked": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "an encoding that looks like chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two encodings": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a zero byte in a field": POST + b"X: a\0b\r\n\r\n",
    "a field without a name": POST + b": a\r\n\r\n",
    "a name that is not ASCII": POST + b"X\xff: a\r\n\r\n",
    "a zero byte in the path": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path that is not ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an address without a path": b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method that nobody knows": b"FOO /p HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /p\r\n\r\n",
    "HTTP/1.2": b"GET /p HTTP/1.2\r\nHost: a\r\n\r\n",
    "no host": b"GET /p HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "the same host twice": b"GET /p HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    "a host with a user": b"GET /p HTTP/1.1\r\nHost: user@a\r\n\r\n",
    "a host with a path": b"GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "two hosts in one field": b"GET /p HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a host with a blank": b"GET /p HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a host whose port is none": b"GET /p HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "a host with half an escape": b"GET /p HTTP/1.1\r\nHost: a%2\r\n\r\n",
    "a host that is not ASCII": b"GET /p HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n",
    "a host of HTTP/1.0 that is none": b"GET /p HTTP/1.0\r\nHost: a/b\r\n\r\n",
    "tabs for blanks": b"GET\t/p\tHTTP/1.1\r\nHost: a\r\n\r\n",
}
BROKEN_CHUNKS = {
    "no number": b"xyz\r\nhello\r\n0\r\n\r\n",
    "a negative number": b"-5\r\nhello\r\n0\r\n\r\n",
    "a number that no machine holds": b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "lines without a return": b"5\nhello\n0\n\n",
    "more than was said": b"3\r\nhello\r\n0\r\n\r\n",
    "less than was said": b"9\r\nhello\r\n0\r\n\r\n0123",
}


def check_problem(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    document = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == answer.headers["request-id"]
    assert document["title"]
    assert document["detail"]


@pytest.mark.parametrize("request_bytes", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_what_is_no_http_is_refused_and_ends_the_connection(place: Place, request_bytes: bytes) -> None:
    raw = await place.open()
    await raw.send(request_bytes + HIDDEN)
    check_problem(await raw.answer(), 400, "malformed_request")
    assert await raw.rest() == b""
    assert place.application.served == []


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity,chunked", b"gzip\r\nTransfer-Encoding: chunked"])
async def test_a_body_that_is_coded_otherwise_is_not_read(place: Place, coding: bytes) -> None:
    raw = await place.open()
    await raw.send(POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + HIDDEN)
    check_problem(await raw.answer(), 501, "transfer_coding_unknown")
    assert await raw.rest() == b""
    assert place.application.served == []


@pytest.mark.parametrize("host", [b"a", b"", b"a:80", b"a:", b"[::1]:8080", b"127.0.0.1", b"a_b.example.", b"%41b"])
async def test_whatever_can_be_a_host_is_one(place: Place, host: bytes) -> None:
    answer = await place.ask(b"POST /p HTTP/1.1\r\nHost: " + host + b"\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n")
    assert answer.status == 200


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "in two"])
async def test_broken_chunks_never_reach_a_handler(place: Place, chunks: bytes, together: bool) -> None:
    raw = await place.open()
    await raw.send(CHUNKED + b"\r\n" + (chunks + HIDDEN if together else b""))
    if not together:
        await asyncio.sleep(0.02)
        await raw.send(chunks + HIDDEN)
    check_problem(await raw.answer(), 400, "malformed_request")
    assert await raw.rest() == b""
    assert place.application.served == []


async def test_the_whole_is_served_in_one_piece_or_byte_by_byte(place: Place) -> None:
    request_bytes = CHUNKED + b"X: y\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    whole = await place.ask(request_bytes)
    raw = await place.open()
    for at in range(len(request_bytes)):
        await raw.send(request_bytes[at : at + 1])
    assert (await raw.answer()).json() == whole.json()
    assert whole.json()["body"] == "hello"


async def test_fields_after_the_body_are_no_header_fields(place: Place) -> None:
    answer = await place.ask(CHUNKED + b"\r\n5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    assert answer.json()["body"] == "hello"
    assert answer.json()["headers"] == [["host", "a"], ["transfer-encoding", "chunked"]]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
async def test_an_upgrade_is_ignored_and_its_body_is_not_lost(place: Place, protocol: bytes) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMA\r\n" % protocol
    raw = await place.open()
    await raw.send(POST + upgrade + b"Content-Length: 5\r\n\r\nhe")
    await raw.send(b"llo" + HIDDEN)
    first, second = await raw.answer(), await raw.answer()
    assert (first.status, first.json()["body"]) == (200, "hello")
    assert first.json()["headers"] == [
        ["host", "a"],
        ["connection", "Upgrade, HTTP2-Settings"],
        ["content-length", "5"],
    ]
    assert second.json()["path"] == "/hidden"


async def test_a_tunnel_is_not_dug(place: Place) -> None:
    answer = await place.ask(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + HIDDEN)
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert place.application.served == []


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE", b"PROPFIND", b"DELETE"])
async def test_other_methods_are_the_applications_to_refuse(place: Place, method: bytes) -> None:
    answer = await place.ask(method + b" /p HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.json()["method"] == method.decode()


async def test_an_absolute_target_is_its_path(place: Place) -> None:
    answer = await place.ask(b"GET http://elsewhere/p?q=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.json()["path"] == "/p"


async def test_whoever_expects_to_be_told_to_go_on_is_told(place: Place) -> None:
    raw = await place.open()
    await raw.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert (await raw.answer()).status == 100
    await raw.send(b"hello")
    assert (await raw.answer()).json()["body"] == "hello"


async def test_who_speaks_http_1_0_is_never_told_to_go_on(place: Place) -> None:
    raw = await place.open()
    await raw.send(b"POST /v1/x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody")
    assert (await raw.answer()).json()["body"] == "body"


async def test_http_1_0_is_served_once_for_each_connection(place: Place) -> None:
    raw = await place.open()
    await raw.send(b"GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = await raw.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await raw.rest() == b""


async def test_http_1_0_may_leave_the_host_out(place: Place) -> None:
    assert (await place.ask(b"GET /p HTTP/1.0\r\n\r\n")).status == 200
