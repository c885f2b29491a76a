"""The whole bench, as short as it can be: its shape, never its speed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from bootstrap.bench import BenchError, report
from bootstrap.bench.bench import run_bench
from bootstrap.bench.plan import NAMES, Plan
from bootstrap.bench.rows import with_needed
from bootstrap.cli.bench import ROWS

# The rows that need no Kafka; all of them together are the campaign's.
CHEAP = ("echo", "bare", "create", "paced", "authorize", "balance", "pgbench", "rebuild", "observed")


def bench(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Run a bench that is as short as it can be; its report, and what it printed."""
    json_file = folder.with_suffix(".json")
    command = [sys.executable, "-m", "bootstrap.cli", "bench", *arguments]
    answer = subprocess.run(
        [*command, "--rounds", "1", "--folder", str(folder), "--json", str(json_file)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert answer.returncode == 0, answer.stderr
    assert list(folder.iterdir()) == []
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []
    return json.loads(json_file.read_bytes()), answer.stdout


@pytest.mark.slow
def test_a_tiny_bench_reports_its_rows_and_leaves_nothing_behind(tmp_path: Path) -> None:
    made, shown = bench(tmp_path / "disk", "--seconds", "0.3", "--lifecycles", "20", "--only", ",".join(CHEAP))
    assert [(one["work"], one["against"]) for one in made["ratios"]] == [
        (work, against)
        for work, against, _ in report.RATIOS
        if report.SINGLE not in {work, against} and work != report.LIVE
    ]
    assert all(one["value"] > 0 and one["met"] in {True, False, None} for one in made["ratios"])
    assert [one["name"] for one in made["figures"]] == [
        report.ECHO, report.BARE, report.CREATE, report.PACED, report.AUTHORIZE, report.BALANCE, report.PGBENCH, report.REBUILD,
        report.OBSERVED, report.UNOBSERVED,
    ]  # fmt: skip
    assert all(one["per_second"] > 0 and len(one["rounds"]) == 1 for one in made["figures"])
    assert 0 < made["latency"]["p50_ms"] <= made["latency"]["p99_ms"]
    assert made["conditions"]["postgres_fsync"] == "on"
    assert made["conditions"]["fdatasync_p50_ms"] > 0
    assert made["flow"] is None
    assert "durable create /" in shown


@pytest.mark.campaign
def test_a_whole_bench_carries_payments_through_and_loses_none(tmp_path: Path) -> None:
    made, shown = bench(tmp_path / "disk", "--seconds", "5", "--lifecycles", "500", "--plot", str(tmp_path / "plots"))
    assert [(one["work"], one["against"]) for one in made["ratios"]] == [
        (work, against) for work, against, _ in report.RATIOS
    ]
    assert all(one["per_second"] > 0 for one in made["figures"])
    assert made["flow"]["payments"] > 0
    assert made["flow"]["ledger_per_second"] > 0
    assert made["flow"]["losses"] == 0
    assert "none lost or doubled" in shown
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"ratios.png", "ratios.svg"}


def test_an_unknown_row_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no row creat; there are echo, bare"):
        run_bench(tmp_path / "disk", Plan(seconds=1, rounds=1, lifecycles=1, rows=("creat",)))
    assert not (tmp_path / "disk").exists()


def test_a_row_brings_along_what_it_needs_and_the_order_is_always_the_same() -> None:
    assert with_needed(["flow", "authorize"]) == ["create", "authorize", "flow"]
    assert with_needed(["unobserved"]) == ["observed", "unobserved"]
    assert with_needed(NAMES) == list(NAMES)
    assert ", ".join(NAMES) == ROWS
