"""All connections of one server: how many there may be, and which have kept it waiting for too long.

Nothing here is done for a request. Once a second each connection is asked what it has been waiting for, so a request
that arrives and is answered in the ordinary way costs no timer.
"""

import asyncio
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import prometheus_client

from bootstrap.settings import HttpLimits
from command_api.request_ids import RequestIds

if TYPE_CHECKING:
    from bootstrap.http_server.guarded_protocol import GuardedProtocol

LOOK_EVERY_S: Final = 1.0

_OPEN: Final = prometheus_client.Gauge("guilder_http_connections", "Open connections.")
_REFUSED: Final = prometheus_client.Counter(
    "guilder_http_refused_below_application",
    "Requests and connections that were refused before the application saw them.",
    ("code",),
)


class ConnectionWatch:
    """Admits connections, and ends those whose time is over; `limits` are read once, when a connection is made."""

    def __init__(self, limits: HttpLimits, request_ids: RequestIds) -> None:
        self.limits = limits
        self.request_ids = request_ids
        self._connections: dict[GuardedProtocol, None] = {}  # the oldest first
        self._unproven: dict[GuardedProtocol, None] = {}
        self._may_go: deque[GuardedProtocol] = deque()
        self._may_go_since = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, connection: "GuardedProtocol") -> bool:
        """Note a new connection; false when there are too many.

        A full house is no reason to turn anyone away while some in it only keep the server waiting: one of them gives way.
        """
        self._connections[connection] = None
        _OPEN.inc()
        if self._timer is None:
            self._look_again_later()
        if len(self._connections) > self.limits.max_connections:
            other = self._who_gives_way()
            if other is None:
                return False
            self._unproven.pop(other, None)
            other.give_way()
        self._unproven[connection] = None
        return True

    def proven(self, connection: "GuardedProtocol") -> None:
        """The connection has brought the head of a request."""
        self._unproven.pop(connection, None)

    def gone(self, connection: "GuardedProtocol") -> None:
        """The connection is closed."""
        self._unproven.pop(connection, None)
        if connection in self._connections:
            del self._connections[connection]
            _OPEN.dec()

    def refused(self, code: str) -> None:
        """Count a refusal."""
        _REFUSED.labels(code).inc()

    def _who_gives_way(self) -> "GuardedProtocol | None":
        """Whoever has brought no request, then whoever has kept the server waiting for longest; null: all are at work.

        To have brought a request is no merit, since it takes no key. Who has come within the last second goes only where
        nobody else could, for its request may be on its way: else a stream of new connections, on top of those that fill
        the house, would leave nobody the time to bring one. The list is made once a second at most, for it takes a while.
        """
        now = asyncio.get_running_loop().time()
        if not self._may_go and now - self._may_go_since >= LOOK_EVERY_S:
            self._may_go_since = now
            since = {one: one.kept_waiting_since() for one in self._connections}
            waiting = [
                (one.proven, at, one) for one, at in since.items() if at is not None and at <= now - LOOK_EVERY_S
            ]
            self._may_go.extend(one for *_, one in sorted(waiting, key=itemgetter(0, 1)))
        while self._may_go:
            one = self._may_go.popleft()
            if one in self._connections and one.kept_waiting_since() is not None:
                return one
        return next(iter(self._unproven), None)

    def _look_again_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._connections):
            connection.look(now)
        self._timer = None
        if self._connections:
            self._look_again_later()
