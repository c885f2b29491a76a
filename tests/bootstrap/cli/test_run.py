"""`guilder run`: how a process that fails ends, and the simulator, a program of its own that is told what to be."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bootstrap.local_stack import ports

REPOSITORY = Path(__file__).parents[3]
FAILING = """
import sys
from bootstrap.cli import main, run
from bootstrap.local_stack import LocalStackError

class Relay:
    async def run(settings):
        raise {error}

run.import_module = lambda name: Relay
sys.argv = ["guilder", "run", "relay"]
main()
"""


@contextlib.contextmanager
def simulator(home: Path, **settings: str) -> Iterator[str]:
    """The address of a simulator that has begun to serve."""
    url = f"http://127.0.0.1:{ports.choose([])}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")},
        "PYTHONPATH": str(REPOSITORY),
        "GUILDER_HOME": str(home),
        "GUILDER_PSP_SIMULATOR__URL": url,
        "GUILDER_PSP_SIMULATOR__KEY": "psp_a_key_of_the_tests",
        **settings,
    }
    command = [sys.executable, "-m", "bootstrap.cli", "run", "psp-simulator"]
    with subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    httpx.get(f"{url}/sim/clock", trust_env=False)
                except httpx.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                else:
                    break
            yield url
        finally:
            process.terminate()
            process.wait(20)


def scale_of(url: str) -> float:
    return float(httpx.get(f"{url}/sim/clock", trust_env=False).json()["scale"])


def test_the_simulators_clock_runs_as_the_delays_are_scaled_also_after_it_ran_otherwise(tmp_path: Path) -> None:
    with simulator(tmp_path, GUILDER_DELAY_SCALE="0.01") as url:
        assert scale_of(url) == 100
    with simulator(tmp_path) as url:
        assert scale_of(url) == 1


def failing(home: Path, error: str) -> "subprocess.CompletedProcess[str]":
    settings = {"GUILDER_HOME": str(home), "GUILDER_POSTGRES__DSN": "postgresql://guilder:never-shown-4711@127.0.0.1/d"}
    return subprocess.run(
        [sys.executable, "-c", FAILING.format(error=error)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **settings},
        cwd=home,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_failure_is_one_line_of_json_without_what_is_secret(tmp_path: Path) -> None:
    ended = failing(tmp_path, "RuntimeError('the disk is full, said never-shown-4711')")
    assert (ended.returncode, ended.stderr) == (1, "")
    [line] = ended.stdout.splitlines()
    failure = json.loads(line)
    assert (failure["event"], failure["process"], failure["level"]) == ("failed", "relay", "error")
    assert failure["exception"].endswith("RuntimeError: the disk is full, said [redacted]")


def test_what_an_operator_can_mend_is_a_sentence_too(tmp_path: Path) -> None:
    ended = failing(tmp_path, "LocalStackError('there is no room')")
    assert (ended.returncode, ended.stderr) == (1, "guilder: there is no room\n")
    [line] = ended.stdout.splitlines()
    failure = json.loads(line)
    assert (failure["event"], failure["reason"], failure["level"]) == ("failed", "there is no room", "error")
