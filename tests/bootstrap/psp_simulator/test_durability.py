"""What was answered is there after `kill -9`, what was not is there once or not at all, and time goes on."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from bootstrap.psp_simulator.writer import Writer
from tests.bootstrap.psp_simulator.server import ROOT, Client, SimulatorProcess, free_port, fresh


@pytest_asyncio.fixture
async def own(tmp_path: Path) -> AsyncIterator[SimulatorProcess]:
    """A simulator that the test may end."""
    process = SimulatorProcess(tmp_path)
    await process.start()
    yield process
    process.kill()


@contextlib.asynccontextmanager
async def client_of(process: SimulatorProcess) -> AsyncIterator[Client]:
    client = Client(process.url)
    try:
        yield client
    finally:
        await client.http.aclose()


async def test_kill_9_under_load_loses_and_doubles_nothing(own: SimulatorProcess) -> None:
    answered: dict[str, bytes] = {}
    sent: dict[str, dict[str, object]] = {}

    enough = asyncio.Event()

    async def keep_paying(client: Client) -> None:
        while True:
            key, body = fresh("key"), client.payment(capture=True)
            sent[key] = body
            answer = await client.post("/v1/payments", body, key=key)
            assert answer.status_code == 200
            answered[key] = answer.content
            if len(answered) >= 300:
                enough.set()

    async with client_of(own) as client:
        payers = [asyncio.create_task(keep_paying(client)) for _ in range(16)]
        await enough.wait()
        own.kill()
        endings = await asyncio.gather(*payers, return_exceptions=True)
        assert all(isinstance(ending, httpx.TransportError) for ending in endings), endings
    await own.start()
    async with client_of(own) as client:
        before = [line["reference"] for line in await client.log()]
        assert {str(sent[key]["reference"]) for key in answered} <= set(before)
        for key, body in sent.items():
            again = await client.post("/v1/payments", body, key=key)
            assert again.status_code == 200
            assert again.content == answered.get(key, again.content)
        log = await client.log()
        assert [line["seq"] for line in log] == list(range(1, len(log) + 1))
        assert sorted(line["reference"] for line in log) == sorted(str(body["reference"]) for body in sent.values())
        assert sum(line["fee"] for line in log) == 110 * len(sent)


async def test_what_was_pending_settles_once_after_a_kill(own: SimulatorProcess) -> None:
    async with client_of(own) as client:
        pending = (await client.post("/v1/payments", client.payment("tok_pending_ok"))).json()
        await client.advance(9)
        moment = (await client.http.get("/sim/clock")).json()
    own.kill()
    await own.start()
    async with client_of(own) as client:
        assert (await client.http.get("/sim/clock")).json() == moment
        assert len(await client.log()) == 1
        await client.advance(1)
        expected = [("payment", "pending", 10_000, 0), ("payment", "authorized", 10_000, 0)]
        assert await client.story(pending["reference"]) == expected
    own.kill()
    await own.start()
    async with client_of(own) as client:
        assert await client.story(pending["reference"]) == expected


async def test_a_seen_key_a_tombstone_and_a_stored_500_outlive_a_kill(own: SimulatorProcess) -> None:
    async with client_of(own) as client:
        timed_out, failed, buried = (
            client.payment(f"tok_{name}") for name in ("timeout_before", "http500_after", "ok")
        )
        with contextlib.suppress(httpx.ReadTimeout):
            await client.post("/v1/payments", timed_out, key="seen", patience_s=0.3)
        await client.post("/v1/payments", failed, key="failed")
        await client.reverse(str(buried["reference"]))
    own.kill()
    await own.start()
    async with client_of(own) as client:
        assert (await client.post("/v1/payments", timed_out, key="seen")).status_code == 200
        assert (await client.post("/v1/payments", failed, key="failed")).status_code == 500
        assert (await client.post("/v1/payments", buried)).status_code == 409


async def test_the_scale_is_kept_when_none_is_given(own: SimulatorProcess) -> None:
    async with client_of(own) as client:
        await client.http.post("/sim/clock", json={"scale": 50})
    own.kill()
    own.clock_scale = None
    await own.start()
    async with client_of(own) as client:
        assert (await client.http.get("/sim/clock")).json()["scale"] == 50


async def test_sigterm_ends_it_in_order_though_a_socket_is_held(own: SimulatorProcess) -> None:
    async with client_of(own) as client:
        payment = await client.pay()
        tokens = ("tok_timeout_after", "tok_slow")
        held = [asyncio.create_task(client.post("/v1/payments", client.payment(token))) for token in tokens]
        await asyncio.sleep(0.3)
        status = await asyncio.to_thread(own.terminate)
        assert status == 0, own.output()
        endings = await asyncio.gather(*held, return_exceptions=True)
        assert all(isinstance(ending, httpx.TransportError) for ending in endings), endings
    assert "Traceback" not in own.output()
    await own.start()
    async with client_of(own) as client:
        assert (await client.log())[0]["reference"] == payment["reference"]


async def test_a_second_process_is_kept_off_the_same_book(own: SimulatorProcess) -> None:
    mine, own.port = own.port, free_port()
    intruder = own.spawn()
    own.port = mine
    assert await asyncio.to_thread(intruder.wait, 20) != 0
    assert "database is locked" in own.output()
    async with client_of(own) as client:
        await client.pay()


def test_without_a_key_it_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bootstrap.psp_simulator", "--port", "1", "--database", str(tmp_path / "x")]
    ended = subprocess.run(command, cwd=ROOT, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "GUILDER_PSP_SIMULATOR__KEY" in ended.stderr


def test_a_commit_is_on_disk_before_its_answer(tmp_path: Path) -> None:
    connection = Writer(tmp_path / "psp.sqlite", observe_commit=lambda _jobs, _seconds: None)._open()
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    finally:
        connection.close()
