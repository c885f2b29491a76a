"""Two API processes on one log, as behind a load balancer: which one is asked makes no difference."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.events import PaymentIntentCreated
from tests.conftest import TEST_SHARDS

INTENTS = "/v1/payment_intents"
BODY = {"amount": 10_000, "currency": "EUR", "reference": "order-17"}
CARD = {"type": "card", "token": "tok_ok"}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@asynccontextmanager
async def api_process(dsn: str, home: str) -> AsyncIterator[str]:
    """`guilder run api` as an operator starts it; ended by SIGTERM, with success."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bootstrap.cli",
        "run",
        "api",
        env={
            **os.environ,
            "GUILDER_HOME": home,
            "GUILDER_POSTGRES__DSN": dsn,
            "GUILDER_SHARDS": str(TEST_SHARDS),
            "GUILDER_API__PORT": str(port),
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await answering(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0


async def answering(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


@pytest.fixture
async def two_processes(database: str, tmp_path: Any) -> AsyncIterator[tuple[str, str]]:
    async with api_process(database, str(tmp_path)) as first, api_process(database, str(tmp_path)) as second:
        yield first, second


@pytest.fixture
async def store(database: str) -> AsyncIterator[EventStore]:
    opened = await EventStore.open(StoreOptions(dsn=database))
    yield opened
    await opened.close()


async def log_of(store: EventStore) -> list[Any]:
    return [record for shard in range(store.shards) for record in await store.read(shard, after=0, limit=10_000)]


async def test_which_of_two_processes_is_asked_makes_no_difference(
    two_processes: tuple[str, str], store: EventStore
) -> None:
    desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
    key = await desk.issue_key(await desk.register("Two processes", "FR"), livemode=False)
    headers = {"Authorization": f"Bearer {key.text}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=httpx.Limits(max_connections=100)) as client:

        async def post(number: int, path: str, body: Any, idempotency_key: str, prefer: str = "wait=0") -> Any:
            return await client.post(
                two_processes[number % 2] + path,
                json=body,
                headers={"Idempotency-Key": idempotency_key, "Prefer": prefer},
            )

        # Two hundred duplicates of one key over both: one intent, equal answers.
        answers = await asyncio.gather(*[post(number, INTENTS, BODY, "one-key") for number in range(200)])
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len({answer.headers["Guilder-Position"] for answer in answers}) == 1
        assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
        created = [record for record in await log_of(store) if record.type == PaymentIntentCreated.__name__]
        assert len(created) == 1
        intent_id = answers[0].json()["id"]

        # A hundred cancellations under a hundred keys: one is accepted, the others are told the state it left.
        answers = await asyncio.gather(
            *[post(number, f"{INTENTS}/{intent_id}/cancel", {}, f"cancel-{number}") for number in range(100)]
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 99
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
            "invalid_state",
            "concurrent_update",
        }
        # What one process wrote, the other reads at once.
        for url in two_processes:
            read = await client.get(f"{url}{INTENTS}/{intent_id}")
            assert read.json()["status"] == "canceled"

        # One asks and waits at the first process, the repeat attaches at the second; both get the one answer.
        open_intent = (await post(0, INTENTS, BODY | {"reference": "order-18"}, "second-intent")).json()["id"]
        authorize = (f"{INTENTS}/{open_intent}/authorize", {"payment_method": CARD}, "attach", "wait=2")
        waited = await asyncio.gather(post(0, *authorize), post(1, *authorize))
        assert {answer.status_code for answer in waited} == {202}
        assert waited[0].json() == waited[1].json()

        # Revoked in the log by a third process, refused by both within a second.
        await desk.revoke_key(key.merchant_id, key.key_id, "lost")
        await asyncio.sleep(0.9)
        for url in two_processes:
            refused = await client.get(f"{url}{INTENTS}/{intent_id}")
            assert (refused.status_code, refused.json()["code"]) == (401, "key_revoked")
