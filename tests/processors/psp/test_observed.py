"""Calls of a PSP as its operator sees them, and the trace that goes with them."""

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider

from bootstrap.processes.saga import psp_error_rate
from bootstrap.telemetry.window_shares import total
from event_store.tracing import TRACING
from processors.psp.observed import CALL_SECONDS, ObservedPsp, result_of
from processors.psp.provider import Answer, NotFound, NotProcessed, Pending, Undone, Unknown
from processors.psp.simulator import SimulatorOptions, SimulatorPsp
from tests.bootstrap.psp_simulator.server import KEY
from tests.processors.psp.test_simulator import order

KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
YES = Answer(approved=True, amount=1, currency="EUR", psp_reference=None, psp_operation_reference=None)
NO = Answer(approved=False, amount=1, currency="EUR", psp_reference=None, psp_operation_reference=None)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (YES, "approved"),
        (NO, "declined"),
        (Pending(), "pending"),
        (NotFound(), "not_found"),
        (Undone(how="voided", psp_operation_reference=None, processed_at=None, raw_sha256=None), "undone"),
        (NotProcessed(psp_code="bad", http_status=422, retryable=False), "refused"),
        (NotProcessed(psp_code="busy", http_status=503, retryable=True), "not_processed"),
        (Unknown(cause="timeout"), "unknown"),
    ],
)
def test_each_reply_is_one_word(
    reply: Answer | Pending | NotFound | Undone | NotProcessed | Unknown, word: str
) -> None:
    assert result_of(reply) == word


async def test_a_call_is_measured_and_carries_the_trace_to_the_psp() -> None:
    heads: list[bytes] = []

    async def unavailable(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(unavailable, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    psp = ObservedPsp(SimulatorPsp(SimulatorOptions(url=f"http://127.0.0.1:{port}", key=KEY, deadline_s=2)), "test-psp")
    rate = psp_error_rate()
    try:
        await psp.authorize(order("card", "tok_ok", "a"))
        TRACING.start(TracerProvider().get_tracer("test"))
        with TRACING.hop("saga call", KEPT, {}):
            await psp.authorize(order("card", "tok_ok", "b"))
    finally:
        TRACING.stop()
        await psp.close()
        server.close()
        await server.wait_closed()

    untraced, traced = heads
    assert b"traceparent" not in untraced.lower()
    [header] = [line for line in traced.decode().splitlines() if line.lower().startswith("traceparent")]
    assert header.split(": ")[1].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert "b7ad6b7169203331" not in header, "the PSP's side hangs below our call, not beside it"
    # A 503 without the simulator's own problem document may be anyone's: nobody knows what the PSP did.
    assert total(CALL_SECONDS, psp="test-psp", operation="authorize", result="unknown") == 2
    [family] = rate.collect()
    assert family.samples[0].value == 1
