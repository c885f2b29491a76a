"""How far a process is behind the log, and what waits for people, as gauges that a scrape brings up to date.

Each refresh opens a connection of its own: between scrapes nothing is held, and a PostgreSQL that was away is simply
found again.
"""

from typing import Any, Final

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Gauge

from processors.backlog import STEP_STATES, UNREADABLE, Backlog, Follower, backlog

TIMEOUT_S: Final = 2.0
KINDS: Final = ("call", "inquiry", "reversal", "expiry", "availability")
AGES: Final = (("under_1h", 3_600), ("under_1d", 86_400), ("under_7d", 604_800), ("7d_or_more", None))
"""Ages of open cases, and the seconds below which each still counts."""

_log = structlog.get_logger(__name__)


class BacklogGauges:
    """The gauges of one follower of the log, in a registry of its own; the saga's has cases and steps too."""

    def __init__(self, dsn: str, follower: Follower) -> None:
        self.registry = CollectorRegistry()
        self._dsn = dsn
        self._follower = follower

        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            return Gauge(name, documentation, labels, registry=self.registry)

        self._readable = gauge("guilder_backlog_readable", "Whether PostgreSQL answered when this was asked for.")
        shard = ("follower", "shard")
        self._events = gauge("guilder_log_lag_events", "Events of the log that a follower has not got.", *shard)
        self._seconds = gauge(
            "guilder_log_lag_seconds", "Since when the first event that a follower has not got waits.", *shard
        )
        if follower == "relay":
            self._outbox = gauge("outbox_lag_seconds", "How old the oldest event is that Kafka has not acknowledged.")
        else:
            self._halted = gauge("guilder_halted_shards", "Shards that a consumer has halted.", "follower")
        if follower == "payment_saga":
            self._cases = gauge("guilder_open_cases", "Cases that wait for a person or for the PSP, by age.", "age")
            self._oldest = gauge("guilder_open_case_oldest_seconds", "How old the oldest open case is.")
            self._steps = gauge("guilder_open_steps", "Steps of the saga that are not done.", "kind", "state")

    async def refresh(self) -> None:
        """Ask PostgreSQL; while it does not answer, there are no figures but that."""
        try:
            connection: Any = await asyncpg.connect(
                self._dsn,
                timeout=TIMEOUT_S,
                command_timeout=TIMEOUT_S,
                server_settings={"role": "guilder_app", "application_name": "guilder-metrics"},
            )
            try:
                seen = await backlog(connection, [self._follower])
            finally:
                await connection.close(timeout=TIMEOUT_S)
        except UNREADABLE as error:
            _log.warning("how far this process is behind cannot be read", error=repr(error))
            self._forget()
        else:
            self._show(seen)

    def _forget(self) -> None:
        self._readable.set(0)
        self._events.clear()
        self._seconds.clear()
        if self._follower == "relay":
            self._outbox.set(float("nan"))
        else:
            self._halted.clear()
        if self._follower == "payment_saga":
            self._cases.clear()
            self._steps.clear()
            self._oldest.set(float("nan"))

    def _show(self, seen: Backlog) -> None:
        self._readable.set(1)
        for each in seen.behind:
            self._events.labels(each.follower, str(each.shard)).set(each.events)
            self._seconds.labels(each.follower, str(each.shard)).set(each.seconds(seen.at))
        if self._follower == "relay":
            self._outbox.set(max((each.seconds(seen.at) for each in seen.behind), default=0))
        else:
            self._halted.labels(self._follower).set(len(seen.halted))
        if self._follower == "payment_saga":
            self._show_saga(seen)

    def _show_saga(self, seen: Backlog) -> None:
        ages_s = [max(0, seen.at - opened_at) / 1000 for opened_at in seen.cases]
        above_s = 0.0
        for age, below_s in AGES:
            end_s = float("inf") if below_s is None else below_s
            self._cases.labels(age).set(sum(above_s <= age_s < end_s for age_s in ages_s))
            above_s = end_s
        self._oldest.set(max(ages_s, default=0))
        for kind in KINDS:
            for state in STEP_STATES:
                self._steps.labels(kind, state).set(
                    sum(each.steps for each in seen.steps if (each.kind, each.state) == (kind, state))
                )
