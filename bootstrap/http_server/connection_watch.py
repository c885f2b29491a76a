"""All connections of one server: how many there may be, and which have kept it waiting for too long.

Nothing here is done for a request. Once a second each connection is asked what it has been waiting for, so a request
that arrives and is answered in the ordinary way costs no timer.
"""

import asyncio
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Final

import prometheus_client

from bootstrap.settings import HttpLimits
from command_api.request_ids import RequestIds

if TYPE_CHECKING:
    from bootstrap.http_server.guarded_protocol import GuardedProtocol

LOOK_EVERY_S: Final = 1.0
UNPROVEN_FOR_S: Final = 1.0
"""How long a new connection may take for its first request before it is the first to give way."""
_LOOKED_AT: Final = 64

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
        # The one that has gone without an answer for longest first.
        self._connections: OrderedDict[GuardedProtocol, None] = OrderedDict()
        self._unproven: dict[GuardedProtocol, float] = {}  # with when they came, by the loop's clock; the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, connection: "GuardedProtocol") -> bool:
        """Note a new connection; false when there are too many.

        A full house is no reason to turn anyone away while some in it only keep the server waiting: one of them gives way.
        """
        full = len(self._connections) >= self.limits.max_connections
        other = self._who_gives_way() if full else None
        if other is not None:
            self.gone(other)
            other.give_way()
        self._connections[connection] = None
        _OPEN.inc()
        if self._timer is None:
            self._look_again_later()
        if full and other is None:
            return False
        self._unproven[connection] = asyncio.get_running_loop().time()
        return True

    def answered(self, connection: "GuardedProtocol") -> None:
        """The connection was answered a request."""
        self._connections.move_to_end(connection)

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
        """Who has brought no request for a while, or else has gone without an answer for longest and only keeps us waiting.

        To have brought a request reserves no place, since that takes no key. Who has just come is of those who are
        answered last, so that newcomers have the time to ask however many come. Null: all that were looked at are served.
        """
        oldest = next(iter(self._unproven), None)
        if oldest is not None and asyncio.get_running_loop().time() - self._unproven[oldest] > UNPROVEN_FOR_S:
            return oldest
        for one in list(islice(self._connections, _LOOKED_AT)):
            if one.keeps_waiting():
                return one
            self._connections.move_to_end(one)
        return None

    def _look_again_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._connections):
            connection.look(now)
        self._timer = None
        if self._connections:
            self._look_again_later()
