"""What a test run leaves behind when it is killed, the next one clears away."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bootstrap.local_stack import child, state
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from tests.stack import sweep_abandoned_homes, temporary_home

KILLED_RUN = """
import os, signal
from tests.stack import temporary_home
with temporary_home() as home:
    print(home, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_home_lives_as_long_as_its_run() -> None:
    with temporary_home() as home:
        sweep_abandoned_homes()
        assert home.is_dir()
    assert not home.exists()


def test_the_home_and_the_servers_of_a_killed_run_are_swept_away(tmp_path: Path) -> None:
    repository = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": repository, "TMPDIR": str(tmp_path)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RUN], check=False, capture_output=True, text=True, env=environment
    )
    assert killed.returncode == -signal.SIGKILL
    home = Path(killed.stdout.strip())
    assert home.is_dir()
    names = ("supervisor", "server")
    supervisor, server = (child.start(name, ["/bin/sleep", "60"], log_path=tmp_path / f"{name}.log") for name in names)
    recorded = InstallationState(supervisor=RecordedProcess.of(supervisor), processes=[RecordedProcess.of(server)])
    state.save(home, recorded)
    sweep_abandoned_homes()
    assert not home.exists()
    for started in (supervisor, server):
        assert not started.identity.is_alive
        started.process.wait(5)
