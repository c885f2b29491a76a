"""The gate: every step runs, any failure fails it, and the marks leave out what they should."""

import io
import sys

import pytest
from rich.console import Console

from bootstrap.cli.coverage import coverage_steps
from bootstrap.cli.gate import REPOSITORY, SPREAD, GateStep, gate_steps, pass_gate


def step(name: str, exit_code: int) -> GateStep:
    return GateStep(name, (sys.executable, "-c", f"print('{name} ran'); raise SystemExit({exit_code})"))


@pytest.mark.parametrize(("codes", "passes"), [((0, 0), True), ((1, 0), False), ((0, 5), False)])
def test_it_passes_only_if_every_step_does_and_runs_them_all(
    codes: tuple[int, int], capfd: pytest.CaptureFixture[str], *, passes: bool
) -> None:
    summary = io.StringIO()
    assert pass_gate([step("first", codes[0]), step("second", codes[1])], Console(file=summary)) is passes
    assert capfd.readouterr().out == "first ran\nsecond ran\n"
    verdicts = [line.split()[0] for line in summary.getvalue().splitlines()[-2:]]
    assert verdicts == ["passed" if code == 0 else "failed" for code in codes]


def test_the_whole_gate_leaves_out_campaigns_alone_and_the_short_one_what_is_slow_too() -> None:
    assert [step.name for step in gate_steps([], slow=True)] == ["format", "lint", "types", "imports", "tests"]
    whole, short = gate_steps(["-k", "x"], slow=True)[-1], gate_steps([], slow=False)[-1]
    assert whole.command[1:] == (*SPREAD, "-m", "not campaign", "-k", "x")
    assert short.command[1:] == (*SPREAD, "-m", "not campaign and not slow")


def test_coverage_is_judged_folder_by_folder_after_tests_that_are_there() -> None:
    tests, *verdicts = coverage_steps()
    assert [step.name for step in verdicts] == ["aggregates", "event_store", "projections"]
    assert all({"--fail-under=90", f"--include={step.name}/*"} <= set(step.command) for step in verdicts)
    paths = [word for word in tests.command if word.startswith("tests/")]
    assert paths
    assert all((REPOSITORY / path).is_dir() for path in paths)
