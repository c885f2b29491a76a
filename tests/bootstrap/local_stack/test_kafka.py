"""What Kafka's storage is made with."""

from pathlib import Path

import pytest

from bootstrap.local_stack import kafka
from bootstrap.local_stack.servers import kafka_server


def test_a_cluster_id_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "random_bytes", lambda count: b"\xf8" * count)
    server = kafka_server(tmp_path, 1, 2)
    server.prepare()
    properties = (server.data_path / "meta.properties").read_text(encoding="ascii")
    assert "cluster.id=-Pj4-Pj4-Pj4-Pj4-Pj4-A" in properties


def test_its_data_lies_where_it_is_looked_for_whatever_the_home_is_called(tmp_path: Path) -> None:
    server = kafka_server(tmp_path / "J\u00f3se's \\u0041 %41 \U0001f642", 1, 2)
    server.prepare()
    assert (server.data_path / "meta.properties").exists()
    server.prepare()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_home_with_a_comma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(kafka.KafkaStartError, match="comma"):
        kafka_server(tmp_path / "a,b", 1, 2).prepare()
    assert list(tmp_path.iterdir()) == []
