"""What goes over the wire, byte by byte."""

from itertools import islice

import pytest

from bootstrap.bench.load import Load, Subject
from bootstrap.bench.wire import parse_answer, rendered

LOAD = Load(port=8080, method="POST", path="/v1/things", seconds=1, run="r", body='{"a":"é"}', bearers=("k0", "k1"))


def test_bearers_take_turns_and_each_request_has_a_key_of_its_own() -> None:
    load = Load(port=80, method="POST", path="/t", seconds=1, run="r", body="{}", bearers=("k0", "k1"), idempotent=True)
    first, second, third = islice(rendered(load), 3)
    head = b"POST /t HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAuthorization: Bearer k0\r\nContent-Length: 2\r\n"
    assert first == head + b"Idempotency-Key: r-0\r\n\r\n{}"
    assert b"Bearer k1" in second
    assert b"Idempotency-Key: r-1\r\n" in second
    assert third == first.replace(b"r-0", b"r-2")


def test_a_bodys_length_is_in_bytes() -> None:
    assert b"\r\nContent-Length: 10\r\n" in next(rendered(LOAD))


def test_each_subject_is_used_once_with_its_own_bearer() -> None:
    load = Load(
        port=80, method="POST", path="/t/{id}/do", seconds=1, run="r", bearers=("k0", "k1"),
        subjects=(Subject(1, "pi_A"), Subject(0, "pi_B")),
    )  # fmt: skip
    requests = list(rendered(load))
    assert requests[0].startswith(b"POST /t/pi_A/do HTTP/1.1\r\n")
    assert b"Bearer k1" in requests[0]
    assert requests[1].startswith(b"POST /t/pi_B/do HTTP/1.1\r\n")
    assert b"Bearer k0" in requests[1]


WHOLE = b"HTTP/1.1 201 Created\r\nX: 1\r\nContent-Length: 4\r\n\r\nbody"


def test_an_answer_is_cut_where_its_length_says() -> None:
    answer = parse_answer(WHOLE + b"HTTP/1.1 2")
    assert answer is not None
    assert (answer.status, answer.body, answer.rest) == (201, b"body", b"HTTP/1.1 2")


@pytest.mark.parametrize("bytes_there", [0, 10, len(WHOLE) - 5, len(WHOLE) - 1])
def test_an_answer_that_is_not_whole_is_waited_for(bytes_there: int) -> None:
    assert parse_answer(WHOLE[:bytes_there]) is None


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"SSH-2.0-x\r\n\r\n"],
    ids=["no length", "not HTTP"],
)
def test_what_cannot_be_counted_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"without a length|no HTTP/1\.1 answer"):
        parse_answer(data)
