"""What pgbench says, and where it is found."""

from pathlib import Path

import pytest

from bootstrap.bench import BenchError
from bootstrap.bench.pgbench import find_pgbench, parse_tps

OUTPUT = """pgbench (18.6)
number of transactions actually processed: 8612
latency average = 3.716 ms
initial connection time = 61.031 ms
tps = 4305.123456 (without initial connection time)
"""


def test_its_rate_is_read_without_the_time_to_connect() -> None:
    assert parse_tps(OUTPUT) == pytest.approx(4305.123456)


def test_an_output_without_a_rate_is_an_error() -> None:
    with pytest.raises(BenchError, match="states no tps"):
        parse_tps("pgbench: error: connection refused")


def test_the_one_beside_the_server_wins_over_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, beside = tmp_path / "path", tmp_path / "bin"
    for folder in (elsewhere, beside):
        folder.mkdir()
    monkeypatch.setenv("PATH", str(elsewhere))
    assert find_pgbench(beside) is None
    (elsewhere / "pgbench").touch(mode=0o755)
    assert find_pgbench(beside) == elsewhere / "pgbench"
    (beside / "pgbench").touch(mode=0o755)
    assert find_pgbench(beside) == beside / "pgbench"
