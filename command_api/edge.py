"""The edge every request passes, whether it was dispatched by hand or by FastAPI: who, may they, what, and the answer.

One authentication, one problem renderer, one place where what was not expected is logged, once.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import structlog

from command_api.authentication import Authenticator, require_scope
from command_api.invalid_requests import InvalidRequests
from command_api.problems import Headers, problem
from command_api.request_ids import RequestIds
from schemas.card_numbers import is_card_number
from schemas.errors import (
    BadJson,
    BodyTooLarge,
    FieldError,
    FilterUnknown,
    PanNotAllowed,
    Rejected,
    UnsupportedMediaType,
    ValidationFailed,
)
from schemas.identifiers import Prefix, public_id
from schemas.routes import Answer, Call, Principal, Route

MAX_BODY_BYTES: Final = 64 * 1024

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Observe = Callable[[str, str, int, float], None]
"""Told of each answer: method, the route's path, status, and how many seconds it took."""

_encoder: Final = msgspec.json.Encoder()
_CONTENT: Final = (b"content-type", b"application/json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_INTENT_ID_LENGTH: Final = len(public_id(Prefix.PAYMENT_INTENT, UUID(int=0)))
_NOTHING: Final = frozenset({204, 304})
_log = structlog.get_logger(__name__)


class ClientGone(Exception):
    """The client closed the connection before it was answered; there is nobody to answer."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer as it goes over the wire."""

    status: int
    headers: Headers
    body: bytes


class Edge:
    """Serves routes; `observe` is told of every answer."""

    def __init__(
        self, authenticator: Authenticator, request_ids: RequestIds, invalid: InvalidRequests, observe: Observe
    ) -> None:
        self._authenticator = authenticator
        self._request_ids = request_ids
        self._invalid = invalid
        self._observe = observe

    async def serve(
        self, route: Route[Any], services: Any, scope: Scope, receive: Receive, path_params: Mapping[str, str]
    ) -> Reply:
        """The reply to one HTTP request; a refusal or a defect is a reply too.

        Raises:
            ClientGone: the client went away while it sent its body, or while an outcome was waited for.
        """
        began_s = perf_counter()
        headers = headers_of(scope)
        request_id = self._request_ids.of(headers.get("request-id"))
        principal = None
        try:
            principal = await self._authenticator.authenticate(headers)
            self._invalid.require_allowance(principal.merchant_id, began_s)
            require_scope(principal, route.scope)
            query = _query_of(scope)
            if query:
                _require_query(route, query)
            call = Call(
                method=route.method,
                path=scope["path"],
                path_params=path_params,
                query=query,
                headers=headers,
                body=b"" if route.request is None else await read_body(receive, headers),
                principal=principal,
                request_id=request_id,
                client_gone=partial(_client_gone, receive),
            )
            reply = _rendered(await route.handler(services, call), request_id)
        except Exception as error:
            if isinstance(error, ClientGone):
                raise
            if principal is not None and isinstance(error, BadJson | ValidationFailed):
                self._invalid.note(principal.merchant_id, began_s)
            reply = self.refused(error, request_id, principal, path_params)
        self._observe(route.method, route.path, reply.status, perf_counter() - began_s)
        return reply

    async def refusal_of_stranger(self, route: Route[Any], scope: Scope) -> Reply | None:
        """The reply to a caller that has no valid key; null for all others, who are served by `serve`."""
        began_s = perf_counter()
        headers = headers_of(scope)
        try:
            await self._authenticator.authenticate(headers)
        except Exception as error:  # noqa: BLE001 - told as `serve` tells it
            reply = self.refused(error, self._request_ids.of(headers.get("request-id")))
            self._observe(route.method, route.path, reply.status, perf_counter() - began_s)
            return reply
        return None

    def refusal(self, scope: Scope, error: Rejected) -> Reply:
        """The reply to a request that no route serves."""
        return self.refused(error, self._request_ids.of(headers_of(scope).get("request-id")))

    def refused(
        self,
        error: Exception,
        request_id: str,
        principal: Principal | None = None,
        path_params: Mapping[str, str] = MappingProxyType({}),
    ) -> Reply:
        """The problem document of an error; one that nobody expected is logged here, and nowhere else."""
        if not isinstance(error, Rejected):
            about = _named_ids(principal, path_params)
            _log.error("a request failed unexpectedly", request_id=request_id, exc_info=error, **about)
        status, headers, body = problem(error, request_id)
        headers += [(b"content-length", str(len(body)).encode()), (b"request-id", request_id.encode())]
        return Reply(status, headers, body)


def _named_ids(principal: Principal | None, path_params: Mapping[str, str]) -> dict[str, str]:
    """Whom a request concerns, as far as it tells by itself, under the names that every log line uses."""
    ids = {}
    if principal is not None and principal.merchant_id is not None:
        ids["merchant_id"] = public_id(Prefix.MERCHANT, principal.merchant_id)
    for subject in path_params.values():
        if subject.startswith(f"{Prefix.PAYMENT_INTENT}_") and len(subject) == _INTENT_ID_LENGTH:
            ids["payment_intent_id"] = subject
    return ids


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case; a header that came twice is joined (RFC 9110 section 5.3)."""
    raw = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):
        headers = {}
        for raw_name, raw_value in raw:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The whole body.

    Raises:
        UnsupportedMediaType: it is compressed; nothing here is decompressed, so that what is read stays small.
        BodyTooLarge: more than 64 KiB, found out from `content-length` where there is one.
        ClientGone: the connection was closed before its end.
    """
    encoding = headers.get("content-encoding")
    if encoding is not None and encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType("A body is sent as it is, without a Content-Encoding.")
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        raise BodyTooLarge
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body", False):
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge
    return body


async def _client_gone(receive: Receive) -> None:
    """Returns when the client of a request that was read whole has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _query_of(scope: Scope) -> tuple[tuple[str, str], ...]:
    raw = scope["query_string"]
    if not raw:
        return ()
    # What is not UTF-8 is kept as it came, so that whoever reads the parameter can refuse it instead of seeking for it.
    query = tuple(parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"))
    numbers = [name for name, value in query if is_card_number(value) or is_card_number(name)]
    if numbers:
        names = ["query" if is_card_number(name) else name for name in numbers]
        raise PanNotAllowed([FieldError(name, "bad_format", "holds a card number") for name in names])
    return query


def _require_query(route: Route[Any], query: tuple[tuple[str, str], ...]) -> None:
    """Routes that declare query parameters read them strictly themselves; all others take none."""
    if not any(parameter.where == "query" for parameter in route.parameters):
        raise FilterUnknown(f"This path takes no query parameters, so not {query[0][0]!r}.")


def _rendered(answer: Answer, request_id: str) -> Reply:
    headers: Headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    headers += [_NO_STORE, (b"request-id", request_id.encode())]
    if answer.status in _NOTHING:
        return Reply(answer.status, headers, b"")
    body = _encoder.encode(answer.body)
    headers += [_CONTENT, (b"content-length", b"%d" % len(body))]
    return Reply(answer.status, headers, body)
