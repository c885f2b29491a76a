"""A real HTTP server over the real application, and a client that speaks to it as a merchant's server would."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import msgspec
import uvicorn

from bootstrap.http_server import server_config
from bootstrap.processes import OpsServer
from bootstrap.processes.api import application
from bootstrap.settings import ApiSettings, OperatorSettings, PostgresSettings, Settings
from tests.conftest import TEST_SHARDS

OPERATOR_KEY = "operator-key-of-the-tests"
_keys = count(1)


def settings_for(dsn: str, *, max_invalid_per_s: float = 1e6) -> Settings:
    """Settings of an API whose clients may be wrong as often as a test likes."""
    return Settings(
        shards=TEST_SHARDS,
        api=ApiSettings(max_invalid_per_s=max_invalid_per_s),
        postgres=PostgresSettings(dsn=dsn),
        operator=OperatorSettings(key_sha256=hashlib.sha256(OPERATOR_KEY.encode()).hexdigest()),
    )


class ListeningServer(OpsServer):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(dsn: str, **settings: float) -> AsyncIterator[str]:
    """The address of the whole API, served in this process on a free port, with `settings_for`."""
    async with application(settings_for(dsn, **settings)) as app:
        server = ListeningServer(server_config(app, "127.0.0.1", 0))
        serving = asyncio.create_task(server.serve())
        await server.listening.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving


class Client:
    """One merchant's key at work; each POST gets an idempotency key of its own unless the test names one."""

    def __init__(self, http: httpx.AsyncClient, url: str, api_key: str) -> None:
        self.http = http
        self.url = url
        self.api_key = api_key

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}", **(more or {})}

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return await self.http.get(self.url + path, headers=self.headers(headers))

    async def post(
        self, path: str, body: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Post `body`: bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json", "Idempotency-Key": key or f"test-{next(_keys)}", **(headers or {})}
        return await self.http.post(self.url + path, content=raw, headers=self.headers(sent))

    async def create(self, *, key: str | None = None, wait: int | None = None, **fields: Any) -> httpx.Response:
        body = {"amount": 10_000, "currency": "EUR"} | fields
        return await self.post("/v1/payment_intents", body, key=key, headers=prefer(wait))

    async def command(
        self,
        intent_id: str,
        verb: str,
        body: Any = None,
        *,
        key: str | None = None,
        wait: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return await self.post(
            f"/v1/payment_intents/{intent_id}/{verb}", body or {}, key=key, headers=prefer(wait) | dict(headers or {})
        )


def prefer(wait_s: int | None) -> dict[str, str]:
    return {} if wait_s is None else {"Prefer": f"wait={wait_s}"}


CARD = {"type": "card", "token": "tok_ok"}

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.json()
    assert document.keys() >= PROBLEM_MEMBERS
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:guilder:error:{code}"
    assert document["request_id"] == answer.headers["Request-Id"]
    return document
