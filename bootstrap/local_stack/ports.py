"""Free TCP ports of the loopback interface."""

import socket
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Final

from bootstrap.clock import random_bytes
from bootstrap.local_stack import LocalStackError

LOOPBACK: Final = "127.0.0.1"
ANY_FROM: Final = 20_000
ANY_BELOW: Final = 32_000


class NoPortError(LocalStackError):
    """No port is free."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on `port` now; one that only lingers in TIME_WAIT counts as free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose(preferred: Iterable[int | None], *, avoid: Collection[int] = (), host: str = LOOPBACK) -> int:
    """Return the first of `preferred` that is free and not in `avoid`, or else any free one.

    Those are looked for below the range from which systems number outgoing connections, which could take a port
    between now and the server's start. Raises NoPortError when there is none.
    """
    first = ANY_FROM + int.from_bytes(random_bytes(4)) % (ANY_BELOW - ANY_FROM)
    for port in chain(preferred, range(first, ANY_BELOW), range(ANY_FROM, first)):
        if port is not None and port not in avoid and is_free(port, host):
            return port
    raise NoPortError(f"every port from {ANY_FROM} to {ANY_BELOW - 1} is taken")
