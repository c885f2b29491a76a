"""What `guilder status` hears of a process: its health, its alarms, and what it complained of last."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import psutil
import pytest

from bootstrap.cli.process_health import ProcessHealth, health_of, last_complaint
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from bootstrap.processes import health_details
from processors.relay.relay import RelayHealth
from schemas.timestamps import rfc3339

NOW = 1_800_000_000_000


def line(level: str, event: str, at: int = NOW, **more: str) -> str:
    return json.dumps({"event": event, "level": level, "timestamp": rfc3339(at), **more}) + "\n"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """The port of a server that answers everything so."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def heard(home: Path, status: int, body: bytes) -> ProcessHealth:
    with answering(status, body) as port:
        pid = os.getpid()
        process = RecordedProcess(
            name="relay",
            pid=pid,
            started_s=psutil.Process(pid).create_time(),
            health_url=f"http://127.0.0.1:{port}/health/ready",
        )
        return health_of(home, InstallationState(), process)


def test_what_the_relay_says_of_itself_is_heard(tmp_path: Path) -> None:
    said = RelayHealth(ready=True, leads=[3], lag={3: 0}, alarms={3: "the topic lost a record"})
    assert heard(tmp_path, 200, msgspec.json.encode(health_details(said))) == ProcessHealth(
        healthy=True, alarms={"3": "the topic lost a record"}
    )


@pytest.mark.parametrize(
    "body", [b"", b"busy", b"[]", b'{"details": {"alarms": 1}}', b'{"ready": false, "details": {}}']
)
def test_one_that_says_nothing_of_use_is_only_not_healthy(tmp_path: Path, body: bytes) -> None:
    assert heard(tmp_path, 503, body) == ProcessHealth(healthy=False)


def test_one_that_is_not_healthy_is_quoted_from_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    lately = line("warning", "Kafka cannot be reached", SYSTEM_CLOCK.now_ms())
    (tmp_path / "logs" / "relay.log").write_text(lately, encoding="utf-8")
    assert heard(tmp_path, 503, b"").reason == "Kafka cannot be reached"
    assert heard(tmp_path, 200, b"").reason is None


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (line("warning", "first") + line("error", "second") + line("info", "ended"), "second"),
        (
            line("error", "failed", exception="Traceback (…)\n  File …\nStoreLostData: shard 3\n"),
            "StoreLostData: shard 3",
        ),
        (line("error", "failed", reason="there is no room"), "there is no room"),
        (line("error", "of old", NOW - 61_000), None),
        (line("error", "cut off")[5:] + "plain text\n[]\n" + json.dumps({"level": "error", "event": "no time"}), None),
        ("", None),
    ],
)
def test_the_newest_complaint_of_the_last_minute(tmp_path: Path, log: str, complaint: str | None) -> None:
    path = tmp_path / "relay.log"
    path.write_text(log, encoding="utf-8")
    assert last_complaint(path, NOW) == complaint


def test_a_log_that_is_not_there_complains_of_nothing(tmp_path: Path) -> None:
    assert last_complaint(tmp_path / "relay.log", NOW) is None
