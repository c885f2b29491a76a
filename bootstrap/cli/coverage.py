"""`guilder coverage`."""

import sys
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from bootstrap.cli.gate import GateStep, pass_gate

FOLDERS: Final = ("aggregates", "event_store", "projections")
LEAST_PERCENT: Final = 90
# The tests that run these folders within their own process. Those that run them in processes of the stack come on top
# and are not measured; measuring slows the pure ones down too much to be part of the gate (docs/quality.md).
TESTS: Final = (
    "tests/aggregates",
    "tests/contract",
    "tests/event_store",
    "tests/processors/projector",
    "tests/projections",
    "--ignore-glob=tests/contract/test_psp_*",
)

app = typer.Typer(add_completion=False)


def coverage_steps() -> list[GateStep]:
    """The measured tests, then the verdict on each folder by itself."""
    scripts = Path(sys.executable).parent
    measured = [f"--cov={folder}" for folder in FOLDERS]
    verdict = (str(scripts / "coverage"), "report", "--show-missing", "--skip-covered", f"--fail-under={LEAST_PERCENT}")
    return [
        GateStep("tests", (str(scripts / "pytest"), "-m", "not campaign", *measured, "--cov-report=", *TESTS)),
        *(GateStep(folder, (*verdict, f"--include={folder}/*")) for folder in FOLDERS),
    ]


@app.command()
def measure() -> None:
    """Which lines of aggregates, event_store and projections their own tests run; below 90 % of a folder fails."""
    if not pass_gate(coverage_steps(), Console(highlight=False)):
        raise typer.Exit(1)
