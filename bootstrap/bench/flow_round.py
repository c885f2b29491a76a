"""What one round of the whole flow gave beside its payments a second, and how it is worked out of what was looked at."""

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from bootstrap.bench.figures import percentile
from bootstrap.bench.losses import Losses
from bootstrap.bench.progress import Look


class FlowRound(msgspec.Struct, frozen=True, kw_only=True):
    """`ledger_per_second` are ledger transactions posted within the time that counted.

    Lag is of the ledger behind the log, within that time: in events, and in milliseconds since the log was where the
    ledger is. `drain_ms` passed from the last answer until the ledger had everything.
    """

    ledger_per_second: float
    lag_p50_events: float
    lag_max_events: float
    lag_p50_ms: float
    lag_max_ms: float
    drain_ms: float
    losses: Losses


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far behind, at the median and at most."""

    p50_events: float
    max_events: float
    p50_ms: float
    max_ms: float


def lag_between(looks: Sequence[Look], began_s: float, ended_s: float) -> Lag:
    """The lag at the looks of a span of time, of which there is at least one."""
    heads = [look.head for look in looks]
    within = [look for look in looks if began_s <= look.at_s < ended_s]
    events = sorted(float(look.lag) for look in within)
    # The first look whose log had got to where the ledger is now was that long ago.
    ms = sorted((look.at_s - looks[bisect_left(heads, look.position)].at_s) * 1000 for look in within)
    return Lag(p50_events=percentile(events, 50), max_events=events[-1], p50_ms=percentile(ms, 50), max_ms=ms[-1])


def nearest(looks: Sequence[Look], at_s: float) -> Look:
    """The look that was closest to a moment."""
    return min(looks, key=lambda look: abs(look.at_s - at_s))
