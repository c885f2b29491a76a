"""How cost grows with the log: the arithmetic, and a very small run of the whole."""

import asyncio
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bootstrap.bench import BenchError, history_report
from bootstrap.bench.ground import join
from bootstrap.bench.history import HistoryPlan, measured, rate_of
from bootstrap.bench.history_report import Point
from bootstrap.bench.plot import draw_history
from bootstrap.cli.bench import app
from tests.bootstrap.bench.test_report import CONDITIONS


def point(events: int, **rates: float) -> Point:
    usual = {"append": 100.0, "load": 100.0, "balance": 100.0, "list": 100.0, "rebuild": 100.0, "project": 100.0}
    return msgspec.convert({"events": events, **usual, **rates}, Point)


def test_cost_is_judged_between_the_shortest_and_the_longest_log() -> None:
    points = [point(10), point(100, load=10), point(1000, load=80, list=60, project=1)]
    growth = {one.work: one for one in history_report.made(CONDITIONS, points).growth}
    assert (growth["load"].cost, growth["load"].met) == (1.25, True)
    assert (growth["list"].cost, growth["list"].met) == (100 / 60, False)
    assert (growth["append"].cost, growth["append"].met) == (1, True)
    assert (growth["project"].cost, growth["project"].met) == (100, None)


def test_one_length_of_the_log_meets_nothing() -> None:
    assert {one.met for one in history_report.made(CONDITIONS, [point(10_000)]).growth} == {None}


def test_the_table_names_every_length_and_every_verdict(tmp_path: Path) -> None:
    made = history_report.made(CONDITIONS, [point(10_000), point(1_000_000, list=60)])
    out = StringIO()
    history_report.show(Console(file=out, width=140, highlight=False), made)
    assert "1,000,000" in out.getvalue()
    assert out.getvalue().count("not met") == 1
    assert "1.67 ×" in out.getvalue()
    assert {path.name for path in draw_history(made, tmp_path)} == {"history.png", "history.svg"}
    assert (tmp_path / "history.svg").read_text(encoding="utf-8").startswith("<?xml")


async def test_a_rate_counts_what_ends_after_the_warm_up() -> None:
    async def work() -> None:
        await asyncio.sleep(0.01)

    # 16 callers at a hundred a second each, at the very most.
    assert 0 < await rate_of(work, 0.2) <= 1600


@pytest.mark.campaign
async def test_a_short_history_is_measured_at_each_length(database: str) -> None:
    merchants = await join(database, 2)
    first, second = await measured(database, merchants, HistoryPlan(sizes=(100, 3000), seconds=0.05, rounds=2))
    assert 93 < first.events <= 100
    assert 2993 < second.events <= 3000
    assert all(getattr(point, work) > 0 for point in (first, second) for work in history_report.WORKS)


async def test_lengths_too_close_to_measure_anything_are_refused(database: str) -> None:
    merchants = await join(database, 1)
    with pytest.raises(BenchError, match="past 51 events"):
        await measured(database, merchants, HistoryPlan(sizes=(50, 51), seconds=0.01))


@pytest.mark.parametrize("events", ["", "10,x", "20,10", "10,10"])
def test_lengths_have_to_ascend(events: str) -> None:
    answer = CliRunner().invoke(app, ["history", "--events", events])
    assert answer.exit_code == 2
    assert "ascending order" in answer.output
