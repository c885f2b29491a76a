"""A route as a value: what the edge needs to dispatch, authenticate, decode, render and document one endpoint.

`command_api` and `projections.query_api` each export `ROUTES`, a tuple of these. The composition root compiles them
into one application and one OpenAPI document, with the same authentication and the same problem renderer for all.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from schemas.envelope import Actor

Scope = Literal["payments:read", "payments:write", "ledger:read", "audit:read", "ops:write"]
Services = TypeVar("Services")


class Principal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who is calling. A merchant's key has a `merchant_id` and a mode; the operator's has neither and every scope."""

    merchant_id: UUID | None
    livemode: bool | None
    scopes: frozenset[str]
    actor: Actor


class Call(msgspec.Struct, kw_only=True):
    """One HTTP request that has been authenticated: header names lower-case, `path_params` and `query` decoded.

    `client_gone` returns once there is nobody left to answer; null where that cannot be told.
    """

    method: str
    path: str
    path_params: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    principal: Principal
    request_id: str
    client_gone: Callable[[], Awaitable[None]] | None = None


class Answer(msgspec.Struct, kw_only=True):
    """What is sent back: `body` is a resource that msgspec renders as JSON."""

    status: int
    body: Any
    headers: dict[str, str] = {}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter or header as the OpenAPI document shows it."""

    name: str
    where: Literal["query", "header"]
    description: str
    json_schema: dict[str, Any]
    required: bool = False


class Route(msgspec.Struct, Generic[Services], frozen=True, kw_only=True):
    """One endpoint. `path` has `{names}`; `hot` asks for the dispatch that bypasses the framework.

    `request` is the msgspec type of the body (null: no body), `response` that of the answer; `responses` says what
    each status of success means, `refusals` which error codes may come besides the ones every route has.
    """

    method: Literal["GET", "POST"]
    path: str
    scope: Scope
    request: type | None
    response: type
    handler: Callable[[Services, Call], Awaitable[Answer]]
    hot: bool = False
    summary: str
    description: str = ""
    responses: dict[int, str]
    refusals: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    example_request: Any = None
    example_response: Any = None
