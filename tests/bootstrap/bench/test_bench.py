"""The whole bench, as short as it can be: its shape, never its speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bootstrap.bench import report


@pytest.mark.slow
def test_a_tiny_bench_reports_every_row_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder, json_file = tmp_path / "disk", tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "bootstrap.cli",
        "bench",
        "--seconds",
        "0.3",
        "--rounds",
        "1",
        "--lifecycles",
        "20",
    ]
    answer = subprocess.run(
        [*command, "--folder", str(folder), "--json", str(json_file)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert answer.returncode == 0, answer.stderr

    made = json.loads(json_file.read_bytes())
    assert [(one["work"], one["against"]) for one in made["ratios"]] == [
        (work, against) for work, against, _ in report.RATIOS
    ]
    assert all(one["value"] > 0 and one["met"] in {True, False} for one in made["ratios"])
    assert [one["name"] for one in made["figures"]] == [
        report.ECHO, report.CREATE, report.PACED, report.AUTHORIZE, report.BALANCE, report.SINGLE, report.PGBENCH,
        report.REBUILD, report.OBSERVED, report.UNOBSERVED,
    ]  # fmt: skip
    assert all(one["per_second"] > 0 and len(one["rounds"]) == 1 for one in made["figures"])
    assert 0 < made["latency"]["p50_ms"] <= made["latency"]["p99_ms"]
    assert made["conditions"]["postgres_fsync"] == "on"
    assert made["conditions"]["fdatasync_p50_ms"] > 0
    assert "durable create /" in answer.stdout

    assert list(folder.iterdir()) == []
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []
