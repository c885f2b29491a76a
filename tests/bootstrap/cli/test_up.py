"""`guilder up`, `status` and `down` together, as a user calls them; with the servers alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).parents[3]

pytestmark = pytest.mark.slow

Guilder = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def guilder(tmp_path: Path) -> Iterator[Guilder]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")}
    environment = {**mine, "PYTHONPATH": str(REPOSITORY), "GUILDER_HOME": str(tmp_path / "home")}

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "bootstrap.cli", *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path
        )

    yield call
    call("down")


def test_detached_it_is_healthy_on_return_found_by_a_second_up_and_gone_after_down(
    guilder: Guilder, tmp_path: Path
) -> None:
    up = guilder("up", "--detach", "--servers-only")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "✓ servers" in up.stdout

    status = guilder("status", "--json")
    assert status.returncode == 0
    found = json.loads(status.stdout)
    assert {process["name"]: (process["healthy"], process["health_url"]) for process in found["processes"]} == {
        "postgres": (True, None),
        "kafka": (True, None),
    }
    assert found["postgres_dsn"] in up.stdout
    assert found["kafka_bootstrap"] in up.stdout
    # A log may be handed on; it gets no password.
    assert "postgresql://" not in (tmp_path / "home" / "logs" / "supervisor.log").read_text(encoding="utf-8")

    second = guilder("up", "--detach", "--servers-only")
    assert (second.returncode, second.stdout.splitlines()[0]) == (0, "already running")
    assert json.loads(guilder("status", "--json").stdout)["processes"] == found["processes"]

    assert guilder("down").stdout == "ended: supervisor\n"
    assert not any(psutil.pid_exists(process["pid"]) for process in found["processes"])
    assert guilder("status").returncode == 3


def test_what_keeps_it_from_starting_is_told(guilder: Guilder, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kafka").write_text("not a directory", encoding="utf-8")
    up = guilder("up", "--detach", "--servers-only")
    assert up.returncode == 1
    assert "could not be started" in up.stderr
    assert "Not a directory" in up.stderr or "File exists" in up.stderr
    assert guilder("down").stdout == "nothing was running\n"
