"""What is wrong with an installation, in words that say what to do; nothing where all is well."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from processors.backlog import FOLLOWERS, Backlog, Behind, Follower

LATE_S: Final = 5.0
"""A follower whose next event waits for less is at work."""
STILL_S: Final = 10.0
REASON_LENGTH: Final = 200
NAMED_SHARDS: Final = 8
_WHO: Final[Mapping[Follower, str]] = {"relay": "relay", "projector": "projector", "payment_saga": "saga"}
_DEAD_LETTERS: Final = "run `guilder dead-letters list`"


class Progress:
    """Remembers, from one look to the next, since when each follower has got no further."""

    def __init__(self) -> None:
        self._reached: dict[Follower, tuple[int, int]] = {}

    def look(self, seen: Backlog) -> None:
        """Take note of how things stand now."""
        for follower in FOLLOWERS:
            reached = sum(each.position for each in of(seen, follower))
            known = self._reached.get(follower)
            if known is None or known[0] != reached:
                self._reached[follower] = (reached, seen.at)

    def still_s(self, follower: Follower, now_ms: int) -> float:
        """For how many seconds it has been seen to stand still; 0 where that was not watched."""
        known = self._reached.get(follower)
        return 0.0 if known is None else (now_ms - known[1]) / 1000


def of(seen: Backlog, follower: Follower) -> list[Behind]:
    """Where a follower is, shard by shard."""
    return [each for each in seen.behind if each.follower == follower]


def complaints(processes: Iterable[Mapping[str, Any]], seen: Backlog | None, progress: Progress) -> list[str]:
    """Everything that an operator should know, the most pressing first; `seen` is null where PostgreSQL is away."""
    told = list(processes)
    of_processes = [*(_unwell(process) for process in told if not process["healthy"]), *_alarms(told)]
    if seen is None:
        return [*of_processes, "PostgreSQL cannot be asked, so nobody can tell what waits"]
    return [*of_processes, *_halted(seen), *_behind(seen, progress), *_steps(seen), *_cases(seen)]


def abandoned(still_running: Sequence[str]) -> str:
    """What to say where a supervisor is recorded that does not live: it was killed, for one that ends forgets itself."""
    left = f" (still running without it: {', '.join(still_running)})" if still_running else ""
    return f"the supervisor was killed{left}: run `guilder up` to start again, or `guilder down` to end what is left"


def _unwell(process: Mapping[str, Any]) -> str:
    reason = f" ({_short(process['reason'])})" if process.get("reason") else ""
    return f"{process['name']} is not healthy{reason}: run `guilder logs {process['name']}`"


def _alarms(processes: Iterable[Mapping[str, Any]]) -> list[str]:
    """What relays found wrong with their copy of the log: one sentence for all shards of which it is the same."""
    of_reasons: dict[tuple[str, str], list[int]] = {}
    for process in processes:
        for shard, reason in process.get("alarms", {}).items():
            of_reasons.setdefault((process["name"], reason), []).append(int(shard))
    return [
        f"the {name} found Kafka's copy of {_named(sorted(shards))} damaged ({reason}) and sent what was missing again: "
        f"see what became of Kafka's data; the alarm is kept until the {name} is started anew"
        for (name, reason), shards in of_reasons.items()
    ]


def _named(shards: Sequence[int]) -> str:
    if len(shards) == 1:
        return f"shard {shards[0]}"
    shown = ", ".join(map(str, shards[:NAMED_SHARDS]))
    return f"{len(shards):,} shards ({shown}{', …' if len(shards) > NAMED_SHARDS else ''})"


def _halted(seen: Backlog) -> list[str]:
    return [
        f"shard {halted.shard} is halted for the {_who(halted.projection)} "
        f"at position {halted.position:,} for {duration((seen.at - halted.since) / 1000)}: {_short(halted.reason)}; "
        f"mend that, then run `guilder dead-letters redrive shard/{halted.projection}/{halted.shard}`"
        for halted in seen.halted
    ]


def _behind(seen: Backlog, progress: Progress) -> list[str]:
    found = []
    halted = {(halted.projection, halted.shard) for halted in seen.halted}
    for follower in FOLLOWERS:
        late = [each for each in of(seen, follower) if (follower, each.shard) not in halted]
        oldest_s = max((each.seconds(seen.at) for each in late), default=0.0)
        if oldest_s < LATE_S:
            continue
        events = sum(each.events for each in late)
        still_s = progress.still_s(follower, seen.at)
        stands = f", and has made no progress for {duration(still_s)}" if still_s >= STILL_S else ""
        found.append(
            f"the {_WHO[follower]} is {_counted(events, 'event')} behind, the oldest for {duration(oldest_s)}{stands}"
        )
    return found


def _steps(seen: Backlog) -> list[str]:
    found = []
    failed = sum(each.steps for each in seen.steps if each.state == "failed")
    if failed:
        found.append(f"{_counted(failed, 'step')} of the saga failed and will be tried again: {_DEAD_LETTERS}")
    due = [each for each in seen.steps if each.state == "due"]
    waiting_s = max(((seen.at - each.ready_at) / 1000 for each in due), default=0.0)
    if waiting_s >= LATE_S:
        steps = _counted(sum(each.steps for each in due), "step")
        found.append(f"{steps} of the saga are due and not taken, the first for {duration(waiting_s)}")
    return found


def _cases(seen: Backlog) -> list[str]:
    if not seen.cases:
        return []
    age = duration(max(0, seen.at - min(seen.cases)) / 1000)
    if len(seen.cases) == 1:
        return [f"1 case is open, for {age}: {_DEAD_LETTERS}"]
    return [f"{len(seen.cases):,} cases are open, the oldest for {age}: {_DEAD_LETTERS}"]


def duration(seconds: float) -> str:
    """A duration to be read at a glance: `12 s`, `5 min`, `3 h`, `2 d`."""
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit_s * 2:
            return f"{seconds / unit_s:,.0f} {unit}"
    return f"{seconds:.0f} s"


def _who(projection: str) -> str:
    return next((who for follower, who in _WHO.items() if follower == projection), projection)


def _short(reason: str) -> str:
    first = reason.splitlines()[0] if reason else "no reason was kept"
    return first if len(first) <= REASON_LENGTH else f"{first[:REASON_LENGTH]}…"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
