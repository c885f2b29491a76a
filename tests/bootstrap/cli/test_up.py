"""`guilder up` where it cannot."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

Guilder = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def guilder(tmp_path: Path) -> Iterator[Guilder]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")}
    environment = {**mine, "PYTHONPATH": str(REPOSITORY), "GUILDER_HOME": str(tmp_path / "home")}

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "bootstrap.cli", *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=180, env=environment, cwd=tmp_path
        )

    yield call
    call("down")


def test_what_keeps_it_from_starting_is_told(guilder: Guilder, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kafka").write_text("not a directory", encoding="utf-8")
    up = guilder("up", "--detach", "--servers-only")
    assert up.returncode == 1
    assert "could not be started" in up.stderr
    assert "Not a directory" in up.stderr or "File exists" in up.stderr
    assert guilder("down").stdout == "nothing was running\n"
