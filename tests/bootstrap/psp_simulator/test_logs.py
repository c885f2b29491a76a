"""The simulator's own log: JSON in the shape of the house's, and never its key."""

import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bootstrap.psp_simulator.logs import NAME, log_formatter
from bootstrap.telemetry import logs as house
from tests.bootstrap.psp_simulator.server import KEY, ROOT, SimulatorProcess


def record(message: str, *arguments: object, failed: bool = False, **extra: object) -> logging.LogRecord:
    error = ValueError(f"the key {KEY} is wrong")
    trace = (ValueError, error, None) if failed else None
    made = logging.LogRecord("bootstrap.psp_simulator.simulator", logging.ERROR, "x.py", 1, message, arguments, trace)
    made.__dict__.update(extra)
    return made


def line(message: str, *arguments: object, failed: bool = False, **extra: object) -> dict[str, Any]:
    text = log_formatter(KEY).format(record(message, *arguments, failed=failed, **extra))
    assert "\n" not in text
    said: dict[str, Any] = json.loads(text)
    return said


@pytest.mark.parametrize("failed", [False, True])
def test_a_line_has_the_shape_of_those_of_the_other_processes(*, failed: bool) -> None:
    ours = line("wrote %d", 3, failed=failed, jobs=7)
    theirs = json.loads(house.log_formatter(NAME, [KEY]).format(record("wrote %d", 3, failed=failed, jobs=7)))
    assert list(ours) == list(theirs)
    for varies in ("timestamp", "exception"):
        assert type(ours.pop(varies, None)) is type(theirs.pop(varies, None))
    assert ours == theirs


def test_the_key_is_in_no_line() -> None:
    said = line("it sent %s", KEY, failed=True, authorization=f"Bearer {KEY}", path=Path("/x"))
    assert KEY not in json.dumps(said)
    assert (said["event"], said["path"]) == ("it sent [redacted]", "/x")
    assert "ValueError" in said["exception"]


@pytest.mark.parametrize("key", ['quo"ted\\key', "schlüssel"])
def test_a_key_is_taken_out_however_json_spells_it(key: str) -> None:
    said = json.loads(log_formatter(key).format(record("it sent %s.", key)))
    assert said["event"] == "it sent [redacted]."


def test_a_key_that_is_an_everyday_letter_spoils_no_line() -> None:
    assert json.loads(log_formatter("e").format(record("here")))["event"] == "here"


async def test_a_process_tells_its_start_and_its_end_in_json(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    await simulator.start()
    assert simulator.terminate() == 0
    told = [json.loads(each) for each in simulator.output().splitlines()]
    assert [each["event"] for each in told] == ["started", "ended"]
    assert {each["process"] for each in told} == {NAME}
    assert told[0]["port"] == simulator.port


def test_a_process_knows_the_key_that_it_must_not_tell(tmp_path: Path) -> None:
    # A host that cannot be listened on is what its first line tells.
    command = [*SimulatorProcess(tmp_path).command(), "--host", KEY]
    environment = {**os.environ, "GUILDER_PSP_SIMULATOR__KEY": KEY}
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT, env=environment)
    assert json.loads(ran.stdout.splitlines()[0])["host"] == "[redacted]"
    assert KEY not in ran.stdout + ran.stderr
