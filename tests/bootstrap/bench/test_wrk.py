"""wrk as the generator: what it is given, what it says, and when it is not asked."""

import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from bootstrap.bench import BenchError
from bootstrap.bench.load import Load, Refused, Subject
from bootstrap.bench.wrk import can_drive, find_wrk, parse_answer, run_wrk

LOAD = Load(port=8080, method="POST", path="/t", seconds=2.0, run="r", body='{"a":"é"}', bearers=("k0",), connections=4)

# Notes how it was called, with the files it was given, and answers as it is told to.
STAND_IN = """#!{python}
import json, pathlib, sys
home = pathlib.Path({home!r})
calls = home / "calls.json"
known = json.loads(calls.read_text()) if calls.exists() else []
files = [pathlib.Path(word).read_text() for word in sys.argv[sys.argv.index("--") + 1:]]
calls.write_text(json.dumps([*known, [sys.argv[1:], files]]))
print("Running 1s test\\n")
print((home / "answer").read_text())
"""


@pytest.fixture
def wrk(tmp_path: Path) -> Path:
    program = tmp_path / "wrk"
    program.write_text(STAND_IN.format(python=sys.executable, home=str(tmp_path)))
    program.chmod(0o755)
    answers(tmp_path)
    return program


def answers(home: Path, **fields: int) -> None:
    usual = {
        "answers": 300,
        "took_us": 2_000_000,
        "p50_us": 1500,
        "p99_us": 9000,
        "refused": 0,
        "broken": 0,
        "cpu_us": 500_000,
    }
    (home / "answer").write_text(json.dumps({**usual, **fields}))


def test_its_answer_becomes_the_result(wrk: Path, tmp_path: Path) -> None:
    result = run_wrk(wrk, LOAD, tmp_path / "files")
    assert (result.per_second, result.p50_ms, result.p99_ms, result.generator) == (150, 1.5, 9, "wrk")
    assert result.generator_cpu == 0.25
    (arguments, _) = json.loads((tmp_path / "calls.json").read_text())[0]
    assert arguments[:3] == ["-t1", "-c4", "-d2s"]
    assert "http://127.0.0.1:8080/" in arguments


def test_the_warm_up_is_a_run_of_its_own_with_its_own_keys_and_subjects(wrk: Path, tmp_path: Path) -> None:
    subjects = tuple(Subject(number % 2, f"pi_{number}") for number in range(9))
    load = msgspec.structs.replace(LOAD, path="/t/{id}", subjects=subjects, warm_up_s=0.7, idempotent=True)
    run_wrk(wrk, load, tmp_path / "files")
    (first, (parts_before, before)), (_, (parts, rest)) = json.loads((tmp_path / "calls.json").read_text())
    assert "-d1s" in first
    assert before.splitlines() == ["0 pi_0", "1 pi_1", "0 pi_2"]
    assert rest.splitlines()[0] == "1 pi_3"
    assert len(rest.splitlines()) == 6
    assert parts_before != parts


def test_every_byte_is_spelled_so_that_lua_reads_the_same(wrk: Path, tmp_path: Path) -> None:
    run_wrk(wrk, LOAD, tmp_path / "files")
    (_, (parts,)) = json.loads((tmp_path / "calls.json").read_text())[0]
    spelled = "".join(f"\\{byte:03d}" for byte in '\r\n{"a":"é"}'.encode())
    assert f'finish = "{spelled}"' in parts


@pytest.mark.parametrize(
    ("field", "error", "said"),
    [
        ("refused", Refused, "refused 3 times"),
        ("broken", BenchError, "3 connections failed"),
        ("answers", BenchError, "no answer"),
    ],
)
def test_what_cannot_stand_for_the_load_is_an_error(
    wrk: Path, tmp_path: Path, field: str, error: type[Exception], said: str
) -> None:
    answers(tmp_path, **{field: 0 if field == "answers" else 3})
    with pytest.raises(error, match=said):
        run_wrk(wrk, LOAD, tmp_path / "files")


def test_an_output_without_a_result_is_an_error() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        parse_answer("unable to connect to 127.0.0.1:8080")


def test_a_rate_or_a_part_of_a_second_is_not_for_wrk() -> None:
    assert can_drive(LOAD)
    assert not can_drive(msgspec.structs.replace(LOAD, rate=100.0))
    assert not can_drive(msgspec.structs.replace(LOAD, seconds=2.5))
    assert not can_drive(msgspec.structs.replace(LOAD, seconds=0.0))


def test_it_is_found_on_the_path(wrk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{wrk.parent}{os.pathsep}/nowhere")
    assert find_wrk() == wrk
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_wrk() is None
