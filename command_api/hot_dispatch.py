"""The short way for hot routes: from the ASGI server to the edge, past the framework.

FastAPI's own way through a request costs more than the durable write behind it. Hot routes are FastAPI routes all the
same: they stand in the one document, and serve there whatever does not come this way.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

from command_api.edge import ClientGone, Edge
from schemas.routes import Route

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_PARAMETER: Final = "{}"
_END: Final = ""
_Node = dict[str, Any]


class HotDispatch:
    """An ASGI application: hot routes are served by `edge`, everything else by `fallback`."""

    def __init__(self, routes: Sequence[tuple[Route[Any], Any]], edge: Edge, fallback: App) -> None:
        self._edge = edge
        self._fallback = fallback
        self._trees: dict[str, _Node] = {}
        for route, services in routes:
            if route.hot:
                self._plant(route, services)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection's request, or hand it on."""
        found = self._find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._fallback(scope, receive, send)
            return
        route, services, path_params = found
        try:
            reply = await self._edge.serve(route, services, scope, receive, path_params)
        except ClientGone:
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _plant(self, route: Route[Any], services: Any) -> None:
        node = self._trees.setdefault(route.method, {})
        names = []
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
            node = node.setdefault(_PARAMETER if segment.startswith("{") else f"/{segment}", {})
        node[_END] = (route, services, tuple(names))

    def _find(self, method: str, path: str) -> tuple[Route[Any], Any, Mapping[str, str]] | None:
        node = self._trees.get(method)
        values = []
        for segment in path.split("/")[1:]:
            if node is None:
                return None
            literal = node.get(f"/{segment}")
            if literal is None:
                values.append(segment)
                literal = node.get(_PARAMETER)
            node = literal
        found = None if node is None else node.get(_END)
        if found is None:
            return None
        route, services, names = found
        return route, services, dict(zip(names, values, strict=True))
