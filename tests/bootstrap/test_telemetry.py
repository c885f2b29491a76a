"""A request's span carries its context on to whatever the request causes."""

import io
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from bootstrap.telemetry import start_tracing, traced, tracer_provider

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def receive() -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def request(headers: list[tuple[bytes, bytes]], spans: io.StringIO, *, sampled: float) -> dict[bytes, bytes]:
    """Sends one traced request and returns the headers that the application saw."""
    seen: dict[bytes, bytes] = {}
    statuses: list[int] = []

    async def app(scope: MutableMapping[str, Any], _: Any, send: Any) -> None:
        seen.update(scope["headers"])
        await send({"type": "http.response.start", "status": 201, "headers": []})

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message["status"])

    provider = tracer_provider("api", sampled=sampled, spans=spans)
    scope = {"type": "http", "method": "POST", "path": "/v1/payment_intents", "headers": headers}
    await traced(app, provider)(scope, receive, send)
    provider.shutdown()
    assert statuses == [201]
    return seen


async def test_what_a_request_causes_hangs_below_its_span_in_the_callers_trace() -> None:
    spans = io.StringIO()
    seen = await request([(b"traceparent", CALLER.encode())], spans, sampled=0.0001)

    [span] = [json.loads(line) for line in spans.getvalue().splitlines()]
    trace_id, span_id = seen[b"traceparent"].decode().split("-")[1:3]
    assert trace_id == CALLER.split("-")[1]
    assert span["context"]["span_id"] == f"0x{span_id}"
    assert span["parent_id"] == f"0x{CALLER.split('-')[2]}"
    assert span["attributes"] == {"http.response.status_code": 201}


async def test_a_caller_that_does_not_sample_is_not_written() -> None:
    spans = io.StringIO()
    await request([(b"traceparent", CALLER.removesuffix("01").encode() + b"00")], spans, sampled=1.0)
    assert spans.getvalue() == ""


def test_nothing_sampled_costs_nothing(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    provider = start_tracing("api", sampled=0, folder=tmp_path)
    assert traced(app, provider) is app
    assert list(tmp_path.iterdir()) == []
