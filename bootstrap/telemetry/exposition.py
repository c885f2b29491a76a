"""What `/metrics` of one process answers, in Prometheus's text format.

Parts of the house count in metrics of their own modules. What only the process as a whole knows (how far it is behind
the log, shares over the last minutes) is kept apart for each `Exposition`, so that several can live in one process.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import prometheus_client
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.registry import Collector

from bootstrap.shared_look import SharedLook

Refresh = Callable[[], Awaitable[None]]

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST
FRESH_FOR_S: Final = 1.0
"""Rendering takes as long as many a payment, and anyone may ask: whoever asks all the time takes it from no one else."""

# A series for the moment each other series began would double them all.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Exposition:
    """The process's metrics: what its modules count, `collectors`, and what each of `refreshes` brings up to date first.

    What was rendered is handed out for `fresh_for_s` seconds.
    """

    def __init__(
        self,
        collectors: Sequence[Collector] = (),
        refreshes: Sequence[Refresh] = (),
        registry: CollectorRegistry | None = None,
        *,
        fresh_for_s: float = FRESH_FOR_S,
    ) -> None:
        self._registry = CollectorRegistry() if registry is None else registry
        self._refreshes = tuple(refreshes)
        for collector in collectors:
            self._registry.register(collector)
        self._shared = SharedLook(self._rendered, fresh_for_s=fresh_for_s)

    async def text(self) -> bytes:
        """The metrics as of now, or of a moment ago; whoever asks while they are rendered waits for them."""
        return await self._shared()

    async def _rendered(self) -> bytes:
        for refresh in self._refreshes:
            await refresh()
        return prometheus_client.generate_latest(REGISTRY) + prometheus_client.generate_latest(self._registry)
