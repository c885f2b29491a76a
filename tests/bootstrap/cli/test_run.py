"""`guilder run psp-simulator`: a program of its own, told by the settings what to be."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bootstrap.local_stack import ports

REPOSITORY = Path(__file__).parents[3]


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
