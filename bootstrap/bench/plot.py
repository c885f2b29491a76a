"""What was measured as a picture, PNG and SVG. Needs matplotlib (extra `bench`); imported only when a plot is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from bootstrap.bench.history_report import WORKS, HistoryReport
from bootstrap.bench.report import Ratio, Report

FORMATS: Final = ("png", "svg")
_MET, _SHORT, _MISSED = "#2a7f62", "#c9a227", "#b3372f"
_ROW_INCHES: Final = 0.62


def draw_ratios(report: Report, folder: Path) -> list[Path]:
    """Draw each ratio as a share of its goal, with its must and its rounds, to `ratios.png` and `ratios.svg`."""
    ratios = [one for one in report.ratios if one.value is not None]
    with _drawn(folder, "ratios", rows=len(ratios)) as (axes, paths):
        for place, one in enumerate(reversed(ratios)):
            _bar(axes, place, one)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks(range(len(ratios)), [f"{one.work}\n/ {one.against}" for one in reversed(ratios)])
        axes.set_xlim(left=0)
        axes.set_xlabel("share of the goal (line); │ must; ─ lowest and highest round")
        seen = report.conditions
        axes.set_title(
            f"guilder bench: {seen.cores} cores, load {seen.load_1m:.2f} before, {seen.rounds} rounds of {seen.seconds:g} s",
            fontsize=10,
        )
    return paths


def _bar(axes: Any, place: int, one: Ratio) -> None:
    assert one.value is not None
    color = _MISSED if one.met is False else _MET if one.short_of_goal == 0 else _SHORT
    axes.barh(place, one.value / one.goal, color=color, height=0.55)
    axes.plot([min(one.rounds) / one.goal, max(one.rounds) / one.goal], [place, place], color="black", linewidth=1.2)
    if one.must is not None:
        axes.plot([one.must / one.goal] * 2, [place - 0.38, place + 0.38], color="black", linewidth=2)
    axes.annotate(f" {one.value:.2f}", (max(one.value, *one.rounds) / one.goal, place), va="center", fontsize=9)


def draw_history(report: HistoryReport, folder: Path) -> list[Path]:
    """Draw what each kind of work costs with ever more events, against the first point, to `history.png` and `.svg`."""
    lengths = [point.events for point in report.points]
    with _drawn(folder, "history", rows=6) as (axes, paths):
        for one in report.growth:
            rates = [getattr(point, one.work) for point in report.points]
            style = "--" if one.must is None else "-"
            axes.plot(lengths, [rates[0] / rate for rate in rates], style, marker="o", label=WORKS[one.work])
        must = next(one.must for one in report.growth if one.must is not None)
        axes.axhline(must, color=_MISSED, linewidth=1)
        axes.annotate("must stay below", (lengths[0], must), va="bottom", fontsize=8, color=_MISSED)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("events in the log")
        axes.set_ylabel("cost, against the shortest log")
        axes.legend(fontsize=8)
    return paths


@contextmanager
def _drawn(folder: Path, name: str, *, rows: int) -> Iterator[tuple[Any, list[Path]]]:
    """A figure to draw on, and where it is saved at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(9, 1.4 + _ROW_INCHES * rows), layout="constrained")
    paths = [folder / f"{name}.{ending}" for ending in FORMATS]
    try:
        yield axes, paths
        for path in paths:
            figure.savefig(path, dpi=150)
    finally:
        plt.close(figure)
