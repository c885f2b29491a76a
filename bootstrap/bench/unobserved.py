"""The API process with nothing that tells of it: no metric counts, no line is logged, no request is traced.

What is left of telemetry is the calls themselves, which then do nothing.
"""

import logging

import uvloop
from prometheus_client import Counter, Gauge, Histogram

from bootstrap.processes import api
from bootstrap.settings import Settings


def blind() -> None:
    """Have every metric of this process, made or yet to be made, forget what it is told, and silence its logs."""

    def forget(*_: object, **__: object) -> None:
        """Count nothing."""

    for kind, method in ((Counter, "inc"), (Gauge, "inc"), (Gauge, "set"), (Histogram, "observe")):
        setattr(kind, method, forget)
    logging.disable(logging.CRITICAL)


if __name__ == "__main__":
    blind()
    uvloop.run(api.run(Settings()))
