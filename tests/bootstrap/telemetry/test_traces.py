"""Tracing of HTTP requests: what they cause hangs below their span, and nothing costs anything when it is off."""

import gzip
import io
import json
import threading
from collections.abc import Iterator, MutableMapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from bootstrap.settings import TelemetrySettings
from bootstrap.telemetry.traced_requests import CALLERS_PER_S, Pace, Share, traced
from bootstrap.telemetry.traces import start_tracing, tracer_provider
from event_store.tracing import TRACING

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
INTENT = "pi_06F8Q2ZC4RTJX1M3N5P7R9S0TV"


@pytest.fixture
def spans() -> Iterator[io.StringIO]:
    """What this process traces into."""
    written = io.StringIO()
    provider = tracer_provider("api", written)
    TRACING.start(provider.get_tracer("test"))
    try:
        yield written
    finally:
        TRACING.stop()
        provider.shutdown()


def told(spans: io.StringIO) -> list[dict[str, Any]]:
    processors = TRACING._tracer.span_processor  # type: ignore[attr-defined]
    processors.force_flush()
    return [json.loads(line) for line in spans.getvalue().splitlines()]


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def request(
    headers: list[tuple[bytes, bytes]],
    *,
    sampled: float,
    path: str = "/v1/payment_intents",
    times: int = 1,
    request_id: str = "req_1",
) -> dict[bytes, bytes]:
    """Sends traced requests and returns the headers that the application saw last."""
    seen: dict[bytes, bytes] = {}
    statuses: list[int] = []

    async def app(scope: MutableMapping[str, Any], _: Any, send: Any) -> None:
        seen.clear()
        seen.update(scope["headers"])
        answer = [(b"request-id", request_id.encode()), (b"location", f"/v1/payment_intents/{INTENT}".encode())]
        await send({"type": "http.response.start", "status": 201, "headers": answer})

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message["status"])

    traced_app = traced(app, sampled, lambda: 0.0)
    for _ in range(times):
        await traced_app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    assert statuses == [201] * times
    return seen


async def test_what_a_request_causes_hangs_below_its_span_in_the_callers_trace(spans: io.StringIO) -> None:
    seen = await request([(b"traceparent", CALLER.encode())], sampled=0.0001)

    [span] = told(spans)
    trace_id, span_id = seen[b"traceparent"].decode().split("-")[1:3]
    assert trace_id == CALLER.split("-")[1]
    assert span["context"]["span_id"] == f"0x{span_id}"
    assert span["parent_id"] == f"0x{CALLER.split('-')[2]}"
    assert span["attributes"] == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "request_id": "req_1",
        "payment_intent_id": INTENT,
    }


async def test_a_caller_that_does_not_sample_is_not_written(spans: io.StringIO) -> None:
    seen = await request([(b"traceparent", CALLER.removesuffix("01").encode() + b"00")], sampled=1.0)
    assert told(spans) == []
    assert seen[b"traceparent"].endswith(b"-00")


@pytest.mark.parametrize(
    ("sampled", "kept"), [(0.0001, CALLERS_PER_S), (0.5, CALLERS_PER_S + 10), (1.0, CALLERS_PER_S + 20)]
)
async def test_callers_who_ask_to_be_traced_are_beyond_some_a_second_of_the_share(
    spans: io.StringIO, sampled: float, kept: int
) -> None:
    seen = await request([(b"traceparent", CALLER.encode())], sampled=sampled, times=CALLERS_PER_S + 20)
    assert len(told(spans)) == kept
    # What none of it follows is not followed by relay, projector and saga either.
    assert seen[b"traceparent"].endswith(b"-00" if sampled < 0.5 else b"-01")
    assert seen[b"traceparent"].split(b"-")[1] == CALLER.split("-")[1].encode()


def test_each_second_has_its_own() -> None:
    now = 1000.0
    pace = Pace(2, lambda: now)
    assert [pace.take() for _ in range(3)] == [True, True, False]
    now = 1000.9
    assert not pace.take()
    now = 1001.0
    assert [pace.take() for _ in range(3)] == [True, True, False]


async def test_the_sampled_share_begins_traces_of_its_own(spans: io.StringIO) -> None:
    await request([(b"traceparent", b"garbage1")], sampled=0.25, times=8)
    found = told(spans)
    assert len({span["context"]["trace_id"] for span in found}) == 2
    assert [span["parent_id"] for span in found] == [None, None]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/v1/payment_intents/{INTENT}/capture", "POST /v1/payment_intents/{id}/capture"),
        ("/v1/4111111111111111", "POST"),
        ("/v1/whatever_a_client_likes", "POST"),
        ("/v1/payment_intents/payment_intents/payment_intents", "POST"),
        ("/v1/payment_intents/jane_doe", "POST /v1/payment_intents/{id}"),
        ("/v1/ledger/trial_balance", "POST /v1/ledger/trial_balance"),
    ],
)
async def test_a_spans_name_holds_nothing_that_a_client_made_up(spans: io.StringIO, path: str, name: str) -> None:
    await request([], sampled=1.0, path=path)
    assert [span["name"] for span in told(spans)] == [name]


@pytest.mark.parametrize(
    "secret", ["gk_live_01K3Q4RS70E0280000000000M1_S", "4242-4242-4242-4242", "order:4242424242424242"]
)
async def test_a_request_id_that_a_client_made_of_a_secret_is_not_told(spans: io.StringIO, secret: str) -> None:
    await request([], sampled=1.0, request_id=secret)
    [span] = told(spans)
    assert span["attributes"]["request_id"] in {"gk_live_[redacted]", "[card number]", "order:[card number]"}


def test_a_share_is_even() -> None:
    share = Share(0.01)
    assert [number for number in range(1, 1001) if share.take()] == list(range(100, 1001, 100))


def test_spans_go_to_the_collector_that_is_named_too() -> None:
    written = io.StringIO()
    got: list[tuple[str, bool]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            got.append((self.path, b"guilder-relay" in body and b"a span" in body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        serving = threading.Thread(target=collector.serve_forever)
        serving.start()
        provider = tracer_provider("relay", written, f"http://127.0.0.1:{collector.server_port}/")
        try:
            provider.get_tracer("test").start_span("a span").end()
            provider.shutdown()
        finally:
            collector.shutdown()
            serving.join()

    assert got == [("/v1/traces", True)]
    assert json.loads(written.getvalue())["name"] == "a span"


def test_an_overgrown_file_is_set_aside_and_written_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.log_files.KEPT_BYTES", 100)
    provider = start_tracing("relay", TelemetrySettings(sampled=0.5), folder=tmp_path)
    assert provider is not None
    try:
        for name in ("first", "second"):
            with TRACING.entry(name, None, {}):
                pass
            provider.force_flush()
        (tmp_path / "traces-relay.jsonl").write_text("", encoding="utf-8")
        with TRACING.entry("third", None, {}):
            pass
        provider.force_flush()
    finally:
        TRACING.stop()
        provider.shutdown()
    assert (tmp_path / "traces-relay.jsonl").read_text(encoding="utf-8") == ""
    [older] = (tmp_path / "traces-relay.1.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(older)["name"] == "third"


def test_nothing_sampled_costs_nothing(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    provider: TracerProvider | None = start_tracing("api", TelemetrySettings(sampled=0), folder=tmp_path)
    assert provider is None
    assert traced(app, 0) is app
    assert list(tmp_path.iterdir()) == []
