"""The first hop: a span around the sampled share of a process's HTTP requests, which hands its context on to the log."""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import monotonic
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

CALLERS_PER_S: Final = 10
"""How many traces a second a process keeps because their callers ask for it: anyone may, before it is known who asks."""

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


class Pace:
    """Says yes to the first `per_s` who ask in each second; `clock` is any steady one, in seconds."""

    def __init__(self, per_s: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._began_s = float("-inf")
        self._taken = 0

    def take(self) -> bool:
        """Whether this one is among them."""
        now_s = self._clock()
        if now_s - self._began_s >= 1:
            self._began_s, self._taken = now_s, 0
        self._taken += 1
        return self._taken <= self._per_s


def traced(app: _App, sampled: float, clock: Callable[[], float] = monotonic) -> _App:
    """`app` with a server span around the sampled share of its requests; `app` itself where tracing is off.

    A caller's own decision, told by its `traceparent`, is respected; those who ask to be traced are beyond
    `CALLERS_PER_S` of the share like all others. The span's context replaces that header, so whatever the request causes
    hangs below this span; where it has none, what it causes is told that it is not sampled.
    """
    if not TRACING.on:
        return app
    share, callers = Share(sampled), Pace(CALLERS_PER_S, clock)

    async def traced_app(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_TRACED_PATHS):
            await app(scope, receive, send)
            return
        above = _traceparent_in(scope["headers"])
        asked = is_sampled(above)
        if not ((asked and callers.take()) or ((asked or above is None) and share.take())):
            if above is not None and asked:
                # Else relay, projector and saga would follow what is not followed here.
                scope = {**scope, "headers": _with_traceparent(scope["headers"], f"{above[:-2]}00")}
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

        headers = _with_traceparent(scope["headers"], TRACING.traceparent())
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


def _with_traceparent(headers: Iterable[tuple[bytes, bytes]], traceparent: str | None) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name != b"traceparent"]
    return others if traceparent is None else [*others, (b"traceparent", traceparent.encode())]


def _traceparent_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"traceparent":
            return traceparent_of(value.decode("latin-1"))
    return None
