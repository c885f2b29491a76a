"""The short way: from the ASGI server to the edge, past the framework.

FastAPI's own way through a request costs more than the durable write behind it, and several times what it takes to
refuse one. Hot routes are FastAPI routes all the same: they stand in the one document, and serve there whatever does not
come this way. Whoever has no valid key never gets as far as the framework: pages are answered here, and so are
strangers, paths that are not there and methods that a path does not answer.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from command_api.edge import ClientGone, Edge, Reply
from command_api.problems import WrongMethod
from command_api.turns import Turns
from schemas.errors import NotFound
from schemas.routes import Route

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Page = Callable[[Mapping[str, Any]], Awaitable[Reply]]
"""What a path answers to a GET from anyone, given the request's scope."""

AT_ONCE: Final = "guilder.answer_at_once"
"""The extension by which a server takes a whole answer: its `answer` is awaited with status, headers and body."""
PIECE_BYTES: Final = 64 * 1024
"""A larger answer leaves in pieces of this size, so that its time is over for who takes none, not for who is slow."""
_PARAMETER: Final = None
_END: Final = object()
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_Node = dict[Any, Any]
_Found = tuple[Route[Any], Any, Mapping[str, str]]


class HotDispatch:
    """An ASGI application: `pages`, by their paths, and hot routes are served here, all other routes by `framework`."""

    def __init__(
        self,
        routes: Sequence[tuple[Route[Any], Any]],
        edge: Edge,
        framework: App,
        pages: Mapping[str, Page] = _NONE,
    ) -> None:
        self._edge = edge
        self._framework = framework
        self._pages = pages
        self._strangers = Turns()
        self._whole: dict[tuple[str, str], _Found] = {}  # routes without parameters, by method and path
        self._trees: dict[str, _Node] = {}
        for route, services in routes:
            self._plant(route, services)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request, or hand it on."""
        if scope["type"] != "http":
            await self._framework(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Wherever GET is, HEAD is too: the same answer without its body (RFC 9110 section 9.3.2).
            scope, send = {**scope, "method": "GET", "extensions": {}}, partial(_send_no_body, send)
        found = None if _hides_a_slash(scope) else self._find(scope["method"], scope["path"])
        if found is None:
            await _answer(scope, send, await self._without_route(scope))
            return
        route, services, path_params = found
        if route.hot:
            try:
                reply = await self._edge.serve(route, services, scope, receive, path_params)
            except ClientGone:
                return
            await _answer(scope, send, reply)
        elif (refusal := await self._edge.refusal_of_stranger(route, scope)) is not None:
            await _answer(scope, send, refusal)
        else:
            await self._framework(scope, receive, send)

    async def _without_route(self, scope: Mapping[str, Any]) -> Reply:
        """A page, or why there is nothing; anyone may ask for either."""
        await self._strangers.take()
        path = scope["path"]
        if _hides_a_slash(scope):
            return self._edge.refusal(scope, NotFound("There is no such path."))
        page = self._pages.get(path)
        if page is not None and scope["method"] == "GET":
            return await page(scope)
        allowed = {method for method in self._trees if self._find(method, path) is not None}
        if page is not None or "GET" in allowed:
            allowed |= {"GET", "HEAD"}
        return self._edge.refusal(
            scope, WrongMethod(sorted(allowed)) if allowed else NotFound("There is no such path.")
        )

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


def _hides_a_slash(scope: Mapping[str, Any]) -> bool:
    """Decoded, such a slash could not be told from one that separates; no id has one, so such a path is not there."""
    raw_path = scope.get("raw_path") or b""  # servers need not give it
    return b"%" in raw_path and b"%2f" in raw_path.lower()


async def _answer(scope: Mapping[str, Any], send: Send, reply: Reply) -> None:
    at_once = scope.get("extensions", _NONE).get(AT_ONCE)
    if at_once is not None and len(reply.body) <= PIECE_BYTES:
        await at_once["answer"](reply.status, reply.headers, reply.body)
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    rest = memoryview(reply.body)
    while len(rest) > PIECE_BYTES:
        await send({"type": "http.response.body", "body": rest[:PIECE_BYTES], "more_body": True})
        rest = rest[PIECE_BYTES:]
    await send({"type": "http.response.body", "body": rest})


async def _send_no_body(send: Send, message: MutableMapping[str, Any]) -> None:
    await send({**message, "body": b""} if message["type"] == "http.response.body" else message)
