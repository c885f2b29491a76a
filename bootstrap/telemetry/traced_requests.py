"""The first hop: a span around the sampled share of a process's HTTP requests, which hands its context on to the log."""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import command_api
from bootstrap.telemetry.redaction import Redaction
from command_api.traces import traceparent_of
from event_store.tracing import TRACING, is_sampled
from projections import query_api

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

_TRACED_PATHS: Final = "/v1/"
_PATHS: Final = {route.path for route in command_api.ROUTES} | {route.path for route in query_api.ROUTES}
_ROUTES: Final = {path: re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in _PATHS}
_redaction: Final = Redaction()
_INTENT: Final = re.compile(r"pi_[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}")


class Share:
    """Says yes to a share (0 … 1) of those who ask, evenly: a random choice would cost more and be less even."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._owed = 0.0

    def take(self) -> bool:
        """Whether this one is of the share."""
        self._owed += self._share
        if self._owed < 1:
            return False
        self._owed -= 1
        return True


def traced(app: _App, sampled: float) -> _App:
    """`app` with a server span around the sampled share of its requests; `app` itself where tracing is off.

    A caller's own decision, told by its `traceparent`, is respected. The span's context replaces that header, so
    whatever the request causes hangs below this span.
    """
    if not TRACING.on:
        return app
    share = Share(sampled)

    async def traced_app(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_TRACED_PATHS):
            await app(scope, receive, send)
            return
        above = _traceparent_in(scope["headers"])
        if not (share.take() if above is None else is_sampled(above)):
            await app(scope, receive, send)
            return
        await _serve_traced(app, scope, receive, send, above)

    return traced_app


async def _serve_traced(app: _App, scope: _Scope, receive: _Receive, send: _Send, above: str | None) -> None:
    name = _name_of(scope["method"], scope["path"])
    attributes = {"http.request.method": scope["method"]}
    if found := _INTENT.search(scope["path"]):
        attributes["payment_intent_id"] = found[0]
    with TRACING.entry(name, above, attributes):

        async def send_and_note(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                _note_answer(message["status"], message["headers"])
            await send(message)

        below = TRACING.traceparent()
        headers = [(key, value) for key, value in scope["headers"] if key != b"traceparent"]
        if below is not None:
            headers.append((b"traceparent", below.encode()))
        # Without the server's extensions, so that the answer comes by here.
        await app({**scope, "headers": headers, "extensions": {}}, receive, send_and_note)


def _name_of(method: str, path: str) -> str:
    """The method and the route's path, as OpenTelemetry names such spans: a path that is no route's may hold anything."""
    route = next((route for route, pattern in _ROUTES.items() if pattern.fullmatch(path)), None)
    return method if route is None else f"{method} {route}"


def _note_answer(status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
    TRACING.note(**{"http.response.status_code": status})
    for name, value in headers:
        if name == b"request-id":
            # It may be the client's own; no log line, but every collector, gets it as it stands here.
            TRACING.note(request_id=_redaction.text(value.decode("latin-1")))
        elif name == b"location" and (found := _INTENT.search(value.decode("latin-1"))):
            TRACING.note(payment_intent_id=found[0])


def _traceparent_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"traceparent":
            return traceparent_of(value.decode("latin-1"))
    return None
