"""Free TCP ports of the loopback interface."""

import socket
from collections.abc import Collection, Iterable

LOOPBACK = "127.0.0.1"


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
    """Return the first of `preferred` that is free and not in `avoid`, or else one the system picks."""
    for port in preferred:
        if port is not None and port not in avoid and is_free(port, host):
            return port
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in avoid:
            return port
