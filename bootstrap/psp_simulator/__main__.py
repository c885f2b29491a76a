"""`python -m bootstrap.psp_simulator`: the simulator as a process of its own, ended by SIGTERM."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvicorn

from bootstrap.psp_simulator.app import create_app
from bootstrap.psp_simulator.clock import MAX_SCALE
from bootstrap.psp_simulator.delivery import ConnectionShowingProtocol
from bootstrap.psp_simulator.logs import NAME, configure_logging

KEY_VARIABLE = "GUILDER_PSP_SIMULATOR__KEY"
# Held sockets must not hold the process: they are cut so long after SIGTERM.
GRACE_S = 2
# Longer than a client keeps an idle connection, so that it is the client who closes.
KEEP_ALIVE_S = 75


def _scale(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MAX_SCALE:
        raise argparse.ArgumentTypeError(f"0 to {MAX_SCALE:.0f}")
    return value


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="psp-simulator", description="A payment service provider that misbehaves on demand."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True, help="the SQLite file, created when missing")
    parser.add_argument("--key", help=f"the Bearer key; better from {KEY_VARIABLE}, which no process list shows")
    parser.add_argument(
        "--clock-scale", type=_scale, help="simulated seconds per real second (default: as before, or 1)"
    )
    arguments = parser.parse_args(argv)
    arguments.key = arguments.key or os.environ.get(KEY_VARIABLE)
    if not arguments.key:
        parser.error(f"a key is needed: set {KEY_VARIABLE}")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then exit with 0."""
    arguments = _arguments(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn hands the signal on to this handler once it has shut down in order.
        signal.signal(number, lambda *_: sys.exit(0))
    configure_logging(arguments.key)
    log = structlog.get_logger(NAME)
    app = create_app(database=arguments.database, key=arguments.key, clock_scale=arguments.clock_scale)
    log.info("started", host=arguments.host, port=arguments.port)
    try:
        uvicorn.run(
            app,
            host=arguments.host,
            port=arguments.port,
            http=ConnectionShowingProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
        )
    finally:
        log.info("ended")


if __name__ == "__main__":
    main()
