"""`guilder up`, `status` and `down` together, as a user calls them."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

REPOSITORY = Path(__file__).parents[3]
SERVERS = ["postgres", "kafka"]
PROCESSES = ["psp-simulator", "api", "relay", "projector", "saga"]

pytestmark = pytest.mark.slow

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


def printed_requests(text: str) -> list[httpx.Request]:
    """The printed `curl` lines as the requests that a shell would have curl make."""
    joined = text.replace("\\\n", " ").replace("$(date +%s)", "1")
    requests = []
    for line in joined.splitlines():
        words = shlex.split(line) if line.startswith("  curl ") else []
        if not words:
            continue
        pairs = list(pairwise(words))
        headers = dict(value.split(": ", 1) for flag, value in pairs if flag == "-H")
        bodies = [value for flag, value in pairs if flag == "-d"]
        url = next(word for word in words if word.startswith("http"))
        requests.append(
            httpx.Request("POST" if bodies else "GET", url, headers=headers, content=bodies[0] if bodies else None)
        )
    return requests


def answers_of(requests: list[httpx.Request]) -> list[tuple[int, Any]]:
    with httpx.Client(timeout=30) as client:
        return [(answer.status_code, answer.json()) for answer in map(client.send, requests)]


def test_detached_all_is_healthy_on_return_what_it_prints_works_and_down_leaves_nothing(
    guilder: Guilder, tmp_path: Path
) -> None:
    up = guilder("up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr

    status = guilder("status", "--json")
    assert status.returncode == 0
    found = json.loads(status.stdout)
    assert set(found) == {
        "api", "postgres_dsn", "kafka_bootstrap", "psp_simulator", "demo", "processes",
        "backlog", "problems",
    }  # fmt: skip
    assert set(found["backlog"]["followers"]) == {"relay", "projector", "payment_saga"}
    assert found["problems"] == []
    assert [process["name"] for process in found["processes"]] == [*SERVERS, *PROCESSES]
    assert all(process["healthy"] for process in found["processes"])
    for process in found["processes"]:
        if process["name"] in SERVERS:
            assert process["health_url"] is None
        else:
            assert httpx.get(process["health_url"]).status_code == 200
            assert httpx.get(process["health_url"].replace("/health/ready", "/metrics")).status_code == 200

    payment, payments, balances = answers_of(printed_requests(up.stdout))
    assert (payment[0], payment[1]["status"], payment[1]["amount"]) == (201, "captured", 1999)
    assert (payments[0], balances[0]) == (200, 200), (payments, balances)
    assert found["demo"]["merchant_id"] == payment[1]["merchant_id"]

    # A log may be handed on; it gets neither a password nor a key.
    said = (tmp_path / "home" / "logs" / "supervisor.log").read_text(encoding="utf-8")
    assert "postgresql://" not in said
    assert found["demo"]["api_key"] not in said

    second = guilder("up", "--detach")
    assert (second.returncode, second.stdout.splitlines()[0]) == (0, "already running")
    assert found["demo"]["api_key"] in second.stdout
    assert json.loads(guilder("status", "--json").stdout)["processes"] == found["processes"]

    names = [process["name"] for process in found["processes"]]
    assert guilder("down").stdout == f"ended: {', '.join(['supervisor', *names])}\n"
    assert not any(psutil.pid_exists(process["pid"]) for process in found["processes"])
    assert guilder("status").returncode == 3
    assert json.loads(guilder("status", "--json").stdout)["demo"] == found["demo"]


def test_what_keeps_it_from_starting_is_told(guilder: Guilder, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kafka").write_text("not a directory", encoding="utf-8")
    up = guilder("up", "--detach", "--servers-only")
    assert up.returncode == 1
    assert "could not be started" in up.stderr
    assert "Not a directory" in up.stderr or "File exists" in up.stderr
    assert guilder("down").stdout == "nothing was running\n"
