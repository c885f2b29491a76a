"""The bench of hostile clients is whole; never how much they hurt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.bench.hostile.attacks import KINDS
from bootstrap.bench.hostile.hostile import SCENARIOS


def test_every_scenario_is_a_kind_of_attack() -> None:
    assert SCENARIOS.keys() == KINDS.keys()


@pytest.mark.campaign
def test_a_tiny_bench_tells_of_before_during_and_after(tmp_path: Path) -> None:
    folder, json_file = tmp_path / "disk", tmp_path / "report.json"
    command = [sys.executable, "-m", "bootstrap.cli", "bench", "hostile", "--seconds", "0.3", "--rate", "20"]
    answer = subprocess.run(
        [*command, "--share", "0.05", "--only", "pipelining", "--folder", str(folder), "--json", str(json_file)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    [outcome] = json.loads(json_file.read_bytes())["outcomes"]
    for phase in ("before", "during", "after"):
        assert outcome[phase]["per_second"] > 0
        assert outcome[phase]["memory_bytes"] > 0
    assert outcome["seen"]["statuses"]
    assert "pipelining" in answer.stdout
    assert list(folder.iterdir()) == []
