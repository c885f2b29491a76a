"""Kafka's jars: what runs is what was locked."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.local_stack.kafka_jars import JarError, LockedJar, cache_path, fetch_jar, read_lock

CONTENT = b"the jar that was reviewed"
JAR = LockedJar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest())


def serving(content: bytes) -> Callable[[LockedJar, Path], Path]:
    def download(_jar: LockedJar, folder: Path) -> Path:
        path = folder / "downloaded.jar"
        path.write_bytes(content)
        return path

    return download


def refuse(_jar: LockedJar, _folder: Path) -> Path:
    raise AssertionError("it is in the cache already")


def test_a_verified_jar_is_kept_where_maven_would_and_not_fetched_again(tmp_path: Path) -> None:
    path = fetch_jar(tmp_path, JAR, serving(CONTENT))
    assert path == tmp_path / "org/example/thing/1.0/thing-1.0.jar"
    assert path.read_bytes() == CONTENT
    assert fetch_jar(tmp_path, JAR, refuse) == path


def test_a_jar_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(JarError, match=r"org\.example:thing:1\.0 has SHA-256"):
        fetch_jar(tmp_path, JAR, serving(b"another jar"))
    assert list(tmp_path.rglob("*.jar")) == []


def test_the_lock_pins_every_jar_of_kafka_by_checksum_and_names_no_host() -> None:
    jars = read_lock()
    assert len(jars) == 47
    assert len({jar.coordinate for jar in jars}) == 47
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert {"org.apache.kafka:kafka_2.13:4.1.0", "org.slf4j:slf4j-reload4j:1.7.36"} <= {jar.coordinate for jar in jars}


def test_a_malformed_lock_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "kafka.lock"
    lock.write_text("org.example:thing:1.0\n", encoding="ascii")
    with pytest.raises(ValueError, match="not enough values"):
        read_lock(lock)


def test_the_cache_is_shared_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_path(None) == tmp_path / "guilder"
    assert cache_path(tmp_path / "mine") == tmp_path / "mine"
