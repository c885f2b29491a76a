"""The whole API in this process over a real PostgreSQL, asked without a socket between, and two merchants with a past."""

import importlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from bootstrap.openapi import DOCUMENT
from bootstrap.processes.api import application
from command_api.hot_dispatch import App
from event_store import EventStore, StoreOptions
from processors.projector import Projector, open_pool
from processors.rebuild import PostgresLog
from projections import PROJECTIONS
from schemas.identifiers import shard_of
from schemas.routes import Route
from tests.command_api.conversation import CARD, settings_for
from tests.command_api.psp_stand_in import PspStandIn
from tests.conftest import TEST_SHARDS

jsonschema: Any = importlib.import_module("jsonschema")
DOCUMENTED: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
PROBLEM = jsonschema.Draft202012Validator(
    {"$ref": "#/components/schemas/Problem", "components": DOCUMENTED["components"]}
)
ALL_SCOPES = ("payments:read", "payments:write", "ledger:read", "audit:read", "ops:write")
_keys = count(1)


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Headers = list[tuple[str, str]]


class Request(msgspec.Struct, frozen=True):
    """One request; `headers` may hold a name twice."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


async def ask(app: App, request: Request) -> Answer:
    """Ask as the HTTP server does."""
    path, _, query = request.target.partition("?")
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "root_path": "",
        "query_string": query.encode("ascii"),
        "headers": [*fields, (b"content-length", str(len(request.body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    head = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))


class Merchant(msgspec.Struct):
    """A merchant, its keys, and the objects that it has: the noun in a path → an id."""

    id: UUID
    key: str
    live_key: str
    revoked_key: str
    objects: dict[str, str] = {}


class Installation:
    """The application, its store, and `mine` and `theirs`: two merchants that both have everything."""

    def __init__(self, app: App, store: EventStore, pool: Any) -> None:
        self.app, self.store = app, store
        self.desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        self._psp, self._pool = PspStandIn(store), pool
        self.mine = self.theirs = Merchant(UUID(int=0), "", "", "")
        self.keys_without: dict[str, str] = {}
        """Keys of mine with every scope but one."""

    async def prepare(self) -> None:
        self.mine, self.theirs = await self._merchant(), await self._merchant()
        # Another shard alone would tell the two apart.
        while shard_of(self.theirs.id) != shard_of(self.mine.id):
            self.theirs = await self._merchant()
        for scope in ALL_SCOPES:
            scopes = [one for one in ALL_SCOPES if one != scope]
            self.keys_without[scope] = (await self.desk.issue_key(self.mine.id, scopes=scopes, livemode=False)).text
        projector = Projector(self._pool, PROJECTIONS)
        for shard, position in (await projector.positions(range(TEST_SHARDS))).items():
            records = await PostgresLog(self._pool).read(shard, position, 1 << 62, 1000)
            if records:
                await projector.handle(shard, records)
        for merchant in (self.mine, self.theirs):
            listed = await self.get("/v1/ledger/accounts?limit=100", merchant.key)
            for account in listed.json()["data"]:
                page = await self.get(f"/v1/ledger/accounts/{account['id']}/entries?limit=1", merchant.key)
                if page.json()["has_more"]:
                    merchant.objects["accounts"] = account["id"]

    async def heads(self) -> dict[int, int]:
        return dict(await self.store.heads())

    def base(self, route: Route[Any], merchant: Merchant | None = None, *, key: str | None = None) -> Request:
        """A request that is right in form, about objects of the merchant's, that no aggregate would carry out."""
        merchant = merchant or self.mine
        path = "/".join(
            merchant.objects[noun] if part == "{id}" else part
            for noun, part in zip(["", *route.path.split("/")], route.path.split("/"), strict=False)
        )
        headers: Headers = [("Authorization", f"Bearer {key or merchant.key}")]
        if route.method == "POST":
            headers += [("Content-Type", "application/json"), ("Idempotency-Key", f"input-{next(_keys)}")]
        body = b"" if route.request is None else json.dumps(route.example_request).encode()
        return Request(route.method, path, tuple(headers), body)

    async def get(self, target: str, key: str) -> Answer:
        return await ask(self.app, Request("GET", target, (("Authorization", f"Bearer {key}"),)))

    async def _merchant(self) -> Merchant:
        merchant_id = await self.desk.register("A merchant", "DE")
        keys = [await self.desk.issue_key(merchant_id, scopes=ALL_SCOPES, livemode=live) for live in (False, True)]
        revoked = await self.desk.issue_key(merchant_id, scopes=ALL_SCOPES, livemode=False)
        await self.desk.revoke_key(merchant_id, revoked.key_id, "lost")
        merchant = Merchant(merchant_id, keys[0].text, keys[1].text, revoked.text)
        order = {"amount": 5000, "authorize": True, "payment_method": CARD}
        # Two of each, so that every list has a second page.
        for currency in ("EUR", "USD"):
            intent = await self._post(merchant, "/v1/payment_intents", order | {"currency": currency})
            for verb in ("", "capture", "refund"):
                if verb:
                    answer = await self._post(merchant, f"/v1/payment_intents/{intent['id']}/{verb}", {})
                    merchant.objects["refunds"] = answer["id"]
                await self._psp.settle(intent["id"])
            merchant.objects["payment_intents"] = intent["id"]
        return merchant

    async def _post(self, merchant: Merchant, path: str, body: Mapping[str, Any]) -> Any:
        headers = (
            ("Authorization", f"Bearer {merchant.key}"),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", f"past-{next(_keys)}"),
            ("Prefer", "wait=0"),
        )
        answer = await ask(self.app, Request("POST", path, headers, json.dumps(body).encode()))
        assert answer.status in {201, 202}, answer.body
        return answer.json()


@asynccontextmanager
async def installed(dsn: str) -> AsyncIterator[Installation]:
    """Everything open over one database."""
    store = await EventStore.open(StoreOptions(dsn=dsn))
    pool = await open_pool(dsn)
    try:
        async with application(settings_for(dsn)) as app:
            installation = Installation(app, store, pool)
            await installation.prepare()
            yield installation
    finally:
        await pool.close()
        await store.close()


def check_refusal(route: Route[Any], answer: Answer, *codes: str, status: int | None = None) -> dict[str, Any]:
    """Holds that the answer is a 4xx problem document with one of `codes` that the document lists for the route."""
    assert 400 <= answer.status < 500, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    PROBLEM.validate(problem)
    assert problem["status"] == answer.status
    assert problem["code"] in codes, problem
    assert status is None or answer.status == status, problem
    listed = DOCUMENTED["paths"][route.path][route.method.lower()]["responses"]
    assert str(answer.status) in listed, problem
    assert problem["code"] in listed[str(answer.status)]["content"]["application/problem+json"]["examples"], problem
    return problem
