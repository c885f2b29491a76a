"""The audit: a known vulnerability fails it, silence is no verdict and no hanging, a broken lock is no silence."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bootstrap.cli import audit
from bootstrap.local_stack.ports import choose

HASH = "0" * 64
ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-0001"],
    "summary": "tar is a trap",
    "affected": [
        {
            "package": {"name": "left", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """An advisory service that knows one thing against `left`, and never answers for `slow`."""

    released = threading.Event()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        if asked == "slow":
            self.released.wait(30)
        body = json.dumps({"vulns": [ADVISORY]} if asked == "left" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Tests are quiet."""


@contextmanager
def advisory_service() -> Iterator[str]:
    Advisories.released.clear()
    server = HTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        Advisories.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def lock_of(folder: Path, *names: str) -> Path:
    lock = folder / "requirements.lock"
    lock.write_text("".join(f"{name}==1.0 --hash=sha256:{HASH}\n" for name in names), encoding="utf-8")
    return lock


def run(lock: Path, url: str, within_s: float = 30) -> tuple[int, str]:
    arguments = ["--lock", str(lock), "--osv-url", url, "--within-s", str(within_s)]
    answer = CliRunner().invoke(audit.app, arguments)
    return answer.exit_code, answer.output


def test_a_known_vulnerability_fails_it(tmp_path: Path) -> None:
    with advisory_service() as url:
        code, output = run(lock_of(tmp_path, "left", "right"), url)
    assert code == 1, output
    assert all(word in output for word in ("left", "PYSEC-2026-1, CVE-2026-0001", "1.1")), output
    assert "right" not in output


def test_without_one_it_passes_and_names_what_could_not_be_audited() -> None:
    found = audit.report_in(
        '{"dependencies": [{"name": "right", "version": "1.0", "vulns": []},'
        ' {"name": "ours", "skip_reason": "ours is not on PyPI"}], "fixes": []}',
        "",
    )
    console = Console(file=io.StringIO(), record=True)
    assert audit.show(found, console)
    assert console.export_text().splitlines() == [
        "not audited: ours is not on PyPI",
        "✓ nothing is known against 1 packages",
    ]


@pytest.mark.parametrize(
    ("stderr", "refusal"),
    [
        ("requests.exceptions.ReadTimeout: Read timed out.", audit.NoAnswerError),
        ("Traceback …\npip_audit._service.interface.ServiceError", audit.NoAnswerError),
        ("ERROR:pip_audit._cli:Could not connect to OSV's vulnerability feed\nERROR: Tip: …", audit.NoAnswerError),
        ("ERROR:pip_audit._cli:invalid requirements input: requirements.lock", audit.AuditFailedError),
        ("", audit.AuditFailedError),
    ],
)
def test_silence_of_the_service_is_told_from_a_broken_audit(stderr: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        audit.report_in("", stderr)


def test_a_service_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    code, output = run(lock_of(tmp_path, "left"), f"http://127.0.0.1:{choose(())}/v1/query")
    assert code == 0
    assert "nothing was audited" in output
    assert "requests.exceptions.ConnectionError" in output


def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    with advisory_service() as url:
        code, output = run(lock_of(tmp_path, "slow"), url, within_s=1)
    assert code == 0
    assert "within 1 s" in output


def test_a_lock_that_cannot_be_read_fails(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("left==1.0\n", encoding="utf-8")
    with advisory_service() as url:
        code, output = run(lock, url)
    assert code == 1
    assert "the audit failed" in output
