"""The whole gate of a change: format, lint, types, imports, tests. What a laptop and continuous integration both run."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

REPOSITORY: Final = Path(__file__).parents[2]
# Two workers, each with servers of its own, keep two cores busy; tests/dealing.py says which tests stay together.
SPREAD: Final = ("-n", "2", "--no-loadscope-reorder")


@dataclass(frozen=True)
class GateStep:
    """One command; it passes when it exits with 0."""

    name: str
    command: tuple[str, ...]


def gate_steps(pytest_arguments: Sequence[str], *, slow: bool) -> list[GateStep]:
    """All steps; pytest is the last, so that its own closing line ends the output but for the summary."""
    marked = "not campaign" if slow else "not campaign and not slow"
    scripts = Path(sys.executable).parent
    return [
        GateStep("format", (str(scripts / "ruff"), "format", "--check", ".")),
        GateStep("lint", (str(scripts / "ruff"), "check", ".")),
        GateStep("types", (str(scripts / "mypy"), ".")),
        GateStep("imports", (str(scripts / "lint-imports"),)),
        GateStep("tests", (str(scripts / "pytest"), *SPREAD, "-m", marked, *pytest_arguments)),
    ]


def pass_gate(steps: Sequence[GateStep], console: Console) -> bool:
    """Run every step, also after one has failed, and show how each went and how long it took."""
    outcomes = []
    for step in steps:
        console.rule(step.name, align="left")
        began = time.monotonic()
        passed = subprocess.run(step.command, cwd=REPOSITORY, check=False).returncode == 0  # noqa: S603 - our own list
        outcomes.append((step.name, passed, time.monotonic() - began))
    console.rule("summary", align="left")
    for name, passed, took_s in outcomes:
        console.print(f"{'[green]passed[/green]' if passed else '[red]failed[/red]'}  {name:<11} {took_s:7.1f} s")
    return all(passed for _, passed, _ in outcomes)
