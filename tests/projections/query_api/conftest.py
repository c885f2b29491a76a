"""The query API's handlers over a real database in which two merchants have been paid.

`api` is shared by the tests of one file and only read; `own_api` is one test's own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from bootstrap.clock import random_bytes
from migrations import migrate
from projections import PROJECTIONS
from projections.checkpoints import apply_to_live
from projections.query_api import ROUTES, QueryServices
from schemas.envelope import Actor
from schemas.identifiers import Prefix, public_id
from schemas.routes import Answer, Call, Principal
from tests.conftest import TEST_SHARDS, with_database
from tests.projections.events import an_id
from tests.projections.history import History, Payment, write_log

BALANCES = "/v1/balances"
ROUTES_BY_PATH = {route.path: route for route in ROUTES}
OPERATOR = Principal(
    merchant_id=None, livemode=None, scopes=frozenset({"audit:read"}), actor=Actor(type="operator", id="operator")
)
Feed = Callable[[History], Awaitable[None]]


def merchant(merchant_id: UUID, *, livemode: bool = False) -> Principal:
    return Principal(
        merchant_id=merchant_id, livemode=livemode, scopes=frozenset(), actor=Actor(type="api_key", id="key_1")
    )


def public(stream: str, shard: int = 1) -> str:
    """The public id of the payment intent that a test calls `stream`."""
    return public_id(Prefix.PAYMENT_INTENT, an_id(shard, stream))


class Api:
    """Calls handlers as the edge does, and checks each answer against the type its route promises."""

    def __init__(self, services: QueryServices) -> None:
        self.services = services
        self.last = Answer(status=0, body=None)

    async def get(
        self,
        principal: Principal,
        path: str,
        query: dict[str, str] | tuple[tuple[str, str], ...] = (),
        *,
        named: str | None = None,
        min_position: str | None = None,
    ) -> Any:
        route = ROUTES_BY_PATH[path]
        call = Call(
            method="GET",
            path=path if named is None else path.replace("{id}", named),
            path_params={} if named is None else {"id": named},
            query=tuple(query.items()) if isinstance(query, dict) else query,
            headers={} if min_position is None else {"guilder-min-position": min_position},
            body=b"",
            principal=principal,
            request_id="req_1",
        )
        self.last = await route.handler(self.services, call)
        assert self.last.status == 200
        rendered = msgspec.json.encode(self.last.body)
        msgspec.json.decode(rendered, type=route.response)
        return msgspec.json.decode(rendered)


async def held(api: Api, history: History, **query: str) -> dict[str, tuple[int, int]]:
    """What the history's merchant is owed, pending and available by currency."""
    found = await api.get(merchant(history.merchant_id), BALANCES, query)
    return {row["currency"]: (row["pending"], row["available"]) for row in found["balances"]}


def history_of_five() -> History:
    """Five payments of one merchant: paid, refunded, declined, created, and paid with the reference `order-7`."""
    made, refunded, declined = History(1), Payment("refunded"), Payment("declined")
    made.add(*Payment("paid", amount=2000).paid("order-1"), stream="paid")
    made.add(*refunded.paid(), *refunded.refunding(5000), stream="refunded")
    made.add(declined.created(), *declined.declining(), stream="declined")
    made.add(Payment("created").created(), stream="created")
    made.add(*Payment("another", amount=700).paid("order-7"), stream="another")
    return made


def history_of_neighbour() -> History:
    """Another merchant, in shard 2, whose payment has the same reference."""
    theirs = Payment("theirs", shard=2, currency="USD")
    return History(2, merchant="neighbour", currency="USD").add(*theirs.paid("order-1"), stream="theirs")


async def apply(connection: Any, history: History) -> None:
    async with connection.transaction():
        await apply_to_live(connection, PROJECTIONS, {history.shard: history.recorded})


@asynccontextmanager
async def api_over(dsn: str) -> AsyncIterator[Api]:
    connection: Any = await asyncpg.connect(dsn, server_settings={"role": "guilder_projections"})
    for made in (history_of_five(), history_of_neighbour()):
        await write_log(dsn, made.recorded)
        await apply(connection, made)
    await connection.close()
    services = await QueryServices.open(dsn, shards=TEST_SHARDS, max_wait_s=0.3)
    try:
        yield Api(services)
    finally:
        await services.close()


@pytest.fixture(scope="module")
async def api(postgres_dsn: str) -> AsyncIterator[Api]:
    name = f"guilder_test_{random_bytes(6).hex()}"
    maintenance: Any = await asyncpg.connect(postgres_dsn)
    try:
        await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        dsn = with_database(postgres_dsn, name)
        await migrate(dsn, shards=TEST_SHARDS)
        async with api_over(dsn) as opened:
            yield opened
        await maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await maintenance.close()


@pytest.fixture
async def own_api(database: str) -> AsyncIterator[Api]:
    async with api_over(database) as opened:
        yield opened


@pytest.fixture
def history() -> History:
    return history_of_five()


@pytest.fixture
def neighbour() -> History:
    return history_of_neighbour()


@pytest.fixture
def feed(connection: Any) -> Feed:
    """Apply a history to every live read model of the test's own database."""

    async def applied(history: History) -> None:
        await apply(connection, history)

    return applied
