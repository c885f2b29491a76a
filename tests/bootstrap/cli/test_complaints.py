"""What `guilder status` finds wrong, in words."""

from typing import Any

import pytest

from bootstrap.cli.complaints import Progress, abandoned, complaints, duration
from processors.backlog import FOLLOWERS, Backlog, Behind, Halted, OpenSteps

NOW = 1_800_000_000_000


def standing(
    *,
    at: int = NOW,
    relay: tuple[int, int] = (100, 100),
    waits_s: float = 0,
    halted: list[Halted] | None = None,
    steps: list[OpenSteps] | None = None,
    cases_s: list[int] | None = None,
) -> Backlog:
    """All is well but for what is named; `relay` is its head and position in shard 0."""
    head, position = relay
    return Backlog(
        at=at,
        behind=[
            Behind(
                follower=follower,
                shard=0,
                head=head,
                position=position if follower == "relay" else head,
                waiting_since=at - round(waits_s * 1000) if follower == "relay" and position < head else None,
            )
            for follower in FOLLOWERS
        ],
        halted=halted or [],
        steps=steps or [],
        cases=[at - age_s * 1000 for age_s in cases_s or []],
    )


def said(seen: Backlog | None, progress: Progress | None = None, healthy: bool = True) -> list[str]:
    processes: list[dict[str, Any]] = [{"name": "relay", "healthy": healthy}]
    return complaints(processes, seen, progress or Progress())


def test_nothing_is_said_where_all_is_well_or_an_event_is_just_on_its_way() -> None:
    assert said(standing()) == []
    assert said(standing(relay=(1000, 900), waits_s=2)) == []


def test_a_relay_that_is_behind_and_one_that_is_seen_to_stand_still() -> None:
    behind = standing(relay=(1334, 100), waits_s=40)
    assert said(behind) == ["the relay is 1,234 events behind, the oldest for 40 s"]

    progress = Progress()
    progress.look(standing(at=NOW - 90_000, relay=(1000, 90)))
    progress.look(standing(at=NOW - 30_000, relay=(1200, 100)))
    progress.look(behind)
    assert said(behind, progress) == [
        "the relay is 1,234 events behind, the oldest for 40 s, and has made no progress for 30 s"
    ]


def test_a_halted_shard_says_why_and_what_to_do() -> None:
    halted = Halted(
        projection="payment_saga", shard=3, position=1512, reason="ValueError: no\nmore", since=NOW - 240_000
    )
    [sentence] = said(standing(halted=[halted]))
    assert sentence == (
        "shard 3 is halted for the saga at position 1,512 for 4 min: ValueError: no; mend that, then run "
        "`guilder dead-letters redrive shard/payment_saga/3`"
    )


def test_a_halted_shard_is_not_called_late_too() -> None:
    halted = Halted(projection="relay", shard=0, position=1, reason="x" * 500, since=NOW)
    [sentence] = said(standing(relay=(100, 1), waits_s=100, halted=[halted]))
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("cases_s", "sentence"),
    [
        ([10_800, 60], "2 cases are open, the oldest for 3 h: run `guilder dead-letters list`"),
        ([60], "1 case is open, for 60 s: run `guilder dead-letters list`"),
    ],
)
def test_open_cases(cases_s: list[int], sentence: str) -> None:
    assert said(standing(cases_s=cases_s)) == [sentence]


def test_failed_steps_and_steps_that_nobody_takes() -> None:
    steps = [
        OpenSteps(kind="call", state="failed", steps=1, ready_at=NOW + 5_000),
        OpenSteps(kind="call", state="due", steps=16, ready_at=NOW - 40_000),
        OpenSteps(kind="inquiry", state="due", steps=1, ready_at=NOW - 1_000),
        OpenSteps(kind="expiry", state="waiting", steps=900, ready_at=NOW + 5_000),
    ]
    assert said(standing(steps=steps)) == [
        "1 step of the saga failed and will be tried again: run `guilder dead-letters list`",
        "17 steps of the saga are due and not taken, the first for 40 s",
    ]
    assert said(standing(steps=steps[2:])) == []


def test_an_unhealthy_process_comes_before_what_follows_from_it() -> None:
    assert said(standing(relay=(1334, 100), waits_s=40), healthy=False) == [
        "relay is not healthy: run `guilder logs relay`",
        "the relay is 1,234 events behind, the oldest for 40 s",
    ]


def test_an_unhealthy_process_says_what_it_complained_of_last() -> None:
    relay = {"name": "relay", "healthy": False, "reason": f"StoreLostData: {'x' * 500}", "alarms": {}}
    [sentence] = complaints([relay], standing(), Progress())
    assert sentence.startswith("relay is not healthy (StoreLostData: xxx")
    assert sentence.endswith("…): run `guilder logs relay`")
    assert len(sentence) < 300


def test_alarms_of_the_relay_are_told_though_it_is_healthy_and_postgresql_away() -> None:
    lost = dict.fromkeys(map(str, range(12, 0, -1)), "another record stands there")
    relay = {"name": "relay", "healthy": True, "reason": None, "alarms": {**lost, "0": "a gap"}}
    told, of_shard_0 = complaints([relay], standing(), Progress())
    assert told == (
        "the relay found Kafka's copy of 12 shards (1, 2, 3, 4, 5, 6, 7, 8, …) damaged (another record stands there) and "
        "sent what was missing again: see what became of Kafka's data; the alarm is kept until the relay is started anew"
    )
    assert "copy of shard 0 damaged (a gap)" in of_shard_0
    assert complaints([relay], None, Progress())[:2] == [told, of_shard_0]


def test_an_unhealthy_process_and_a_postgresql_that_is_away() -> None:
    assert said(None, healthy=False) == [
        "relay is not healthy: run `guilder logs relay`",
        "PostgreSQL cannot be asked, so nobody can tell what waits",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (240, "4 min"), (10_800, "3 h"), (200_000, "2 d")]
)
def test_durations_are_read_at_a_glance(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_supervisor_that_is_gone_says_what_still_runs_without_it() -> None:
    assert abandoned([]) == (
        "the supervisor was killed: run `guilder up` to start again, or `guilder down` to end what is left"
    )
    assert "killed (still running without it: postgres, kafka): run" in abandoned(["postgres", "kafka"])
