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
