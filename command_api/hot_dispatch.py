"""The short way for hot routes: from the ASGI server to the edge, past the framework.

FastAPI's own way through a request costs more than the durable write behind it. Hot routes are FastAPI routes all the
same: they stand in the one document, and serve there whatever does not come this way.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any, Final

from command_api.edge import ClientGone, Edge, Reply
from schemas.errors import NotFound
from schemas.routes import Route

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

AT_ONCE: Final = "guilder.answer_at_once"
"""The extension by which a server takes a whole answer: its `answer` is awaited with status, headers and body."""
_PARAMETER: Final = None
_END: Final = object()
_NONE: Final[Mapping[str, Any]] = {}
_Node = dict[Any, Any]
_Found = tuple[Route[Any], Any, Mapping[str, str]]


class HotDispatch:
    """An ASGI application: hot routes are served by `edge`, everything else by `fallback`.

    A path that `fallback` does not know either, as `is_path` tells, is not there.
    """

    def __init__(
        self,
        routes: Sequence[tuple[Route[Any], Any]],
        edge: Edge,
        fallback: App,
        is_path: Callable[[str], bool] = lambda _path: True,
    ) -> None:
        self._edge = edge
        self._fallback = fallback
        self._is_path = is_path
        self._whole: dict[tuple[str, str], _Found] = {}  # routes without parameters, by method and path
        self._trees: dict[str, _Node] = {}
        for route, services in routes:
            if route.hot:
                self._plant(route, services)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection's request, or hand it on."""
        if scope["type"] == "http":
            if scope["method"] == "HEAD":
                # Wherever GET is, HEAD is too: the same answer without its body (RFC 9110 section 9.3.2).
                scope, send = {**scope, "method": "GET", "extensions": {}}, partial(_send_no_body, send)
            raw_path = scope.get("raw_path") or b""  # servers need not give it
            # Decoded, such a slash could not be told from one that separates; no id has one.
            if b"%" in raw_path and b"%2f" in raw_path.lower():
                await _answer(scope, send, self._edge.refusal(scope, NotFound("There is no such path.")))
                return
            found = self._find(scope["method"], scope["path"])
            if found is None and not self._is_path(scope["path"]):
                await _answer(scope, send, self._edge.refusal(scope, NotFound("There is no such path.")))
                return
        else:
            found = None
        if found is None:
            await self._fallback(scope, receive, send)
            return
        route, services, path_params = found
        try:
            reply = await self._edge.serve(route, services, scope, receive, path_params)
        except ClientGone:
            return
        await _answer(scope, send, reply)

    def _plant(self, route: Route[Any], services: Any) -> None:
        node = self._trees.setdefault(route.method, {})
        names = []
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
            node = node.setdefault(_PARAMETER if segment.startswith("{") else segment, {})
        node[_END] = (route, services, tuple(names))
        if not names:
            self._whole[route.method, route.path] = (route, services, _NONE)

    def _find(self, method: str, path: str) -> _Found | None:
        whole = self._whole.get((method, path))
        if whole is not None:
            return whole
        node = self._trees.get(method)
        values = []
        for segment in path.split("/")[1:]:
            if node is None:
                return None
            child = node.get(segment)
            if child is None and segment:
                values.append(segment)
                child = node.get(_PARAMETER)
            node = child
        found = None if node is None else node.get(_END)
        if found is None:
            return None
        route, services, names = found
        return route, services, dict(zip(names, values, strict=True))


async def _answer(scope: MutableMapping[str, Any], send: Send, reply: Reply) -> None:
    at_once = scope.get("extensions", _NONE).get(AT_ONCE)
    if at_once is not None:
        await at_once["answer"](reply.status, reply.headers, reply.body)
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _send_no_body(send: Send, message: MutableMapping[str, Any]) -> None:
    await send({**message, "body": b""} if message["type"] == "http.response.body" else message)
