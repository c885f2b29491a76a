"""The generator against a real server that counts for itself."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bootstrap.bench.echo import echo
from bootstrap.bench.load import Load, Refused, Subject, run_load
from tests.bootstrap.bench.stand_in_server import StandInServer


class CountingServer(StandInServer):
    """The echo, which counts what it was asked; every `refuse_every`-th request is answered 503, from the first on."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: Counter[str] = Counter()
        self.keys: list[bytes] = []
        self.refuse_every = 0
        self.delay_s = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths[scope["path"]] += 1
        self.keys.extend(value for name, value in scope["headers"] if name == b"idempotency-key")
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.refuse_every and self.paths.total() % self.refuse_every == 0:
            await self.answer(send, 503, b"busy")
            return
        await echo(scope, receive, send)


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer() as running:
        yield running


def load(server: CountingServer, **fields: Any) -> Load:
    usual = {
        "method": "POST",
        "path": "/t",
        "seconds": 0.5,
        "run": "r",
        "body": '{"id":"pi_X","a":1}',
        "connections": 4,
    }
    return msgspec.convert({"port": server.port, **usual, **fields}, Load)


def test_every_answer_is_counted_and_no_request_is_sent_twice(server: CountingServer, tmp_path: Path) -> None:
    result = run_load(load(server, idempotent=True), tmp_path)
    assert len(server.keys) == len(set(server.keys)) == server.paths.total()
    # What is under way when the time is up is answered, and does not count.
    assert server.paths.total() - 4 <= result.answers <= server.paths.total()
    assert result.per_second == result.answers / 0.5
    assert 0 < result.p50_ms <= result.p99_ms
    assert 0 < result.generator_cpu < 1.5


def test_what_comes_during_the_warm_up_does_not_count(server: CountingServer, tmp_path: Path) -> None:
    server.delay_s = 0.02
    result = run_load(load(server, warm_up_s=0.5, seconds=0.5), tmp_path)
    assert 0 < result.answers <= 4 * 0.5 / 0.02
    assert server.paths.total() > result.answers + 4


def test_anything_but_success_fails_the_run(server: CountingServer, tmp_path: Path) -> None:
    server.refuse_every = 10
    with pytest.raises(Refused, match=r"\d+ × 503: busy"):
        run_load(load(server), tmp_path)


def test_each_subject_is_asked_about_once_and_the_load_ends_with_them(server: CountingServer, tmp_path: Path) -> None:
    subjects = [Subject(0, f"pi_{number}") for number in range(50)]
    result = run_load(load(server, path="/t/{id}", subjects=subjects, seconds=20.0), tmp_path)
    assert server.paths == {f"/t/pi_{number}": 1 for number in range(50)}
    assert result.answers == 50
    assert result.elapsed_s < 10


def test_a_paced_load_keeps_its_rate_and_counts_what_had_to_wait(server: CountingServer, tmp_path: Path) -> None:
    server.delay_s = 0.1
    # 4 connections × 10 answers a second are fewer than the 80 that fall due, so ever more of them wait.
    result = run_load(load(server, rate=80.0, seconds=1.0), tmp_path)
    assert result.answers <= 40
    assert result.p99_ms > 300

    server.delay_s = 0.0
    result = run_load(load(server, rate=100.0, seconds=1.0), tmp_path)
    assert 80 <= result.answers <= 100


def test_a_paced_request_is_sent_when_it_falls_due_and_not_one_interval_later(
    server: CountingServer, tmp_path: Path
) -> None:
    result = run_load(load(server, rate=2.0, seconds=1.2), tmp_path)
    assert result.answers == 3
    assert result.p50_ms < 400  # an interval has 500


def test_the_report_of_the_generator_is_plain_json(server: CountingServer, tmp_path: Path) -> None:
    result = run_load(load(server), tmp_path)
    assert json.loads((tmp_path / "result.json").read_bytes())["answers"] == result.answers
