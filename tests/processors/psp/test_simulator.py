"""What is the simulator adapter's own: how payment methods are spelled, and a server that hangs up."""

import asyncio

import pytest

from processors.psp.provider import Answer, AuthorizeOrder, NotProcessed, OrderReply, Unknown
from processors.psp.simulator import SimulatorOptions, SimulatorPsp
from schemas.events.payment_intent import PaymentMethod, PaymentMethodType
from tests.bootstrap.psp_simulator.server import KEY, SimulatorProcess
from tests.processors.saga.harness import simulator_options


def order(kind: PaymentMethodType, token: str | None, brand: str | None) -> AuthorizeOrder:
    reference = f"att_{kind}_{token}_{brand}"
    return AuthorizeOrder(
        reference=reference,
        idempotency_key=reference,
        amount=100,
        currency="JPY",
        sale=False,
        payment_method=PaymentMethod(type=kind, token_ref=token, brand=brand, last4=None, payer_ref=None, mask=None),
        return_url="https://shop.example/back",
    )


@pytest.mark.parametrize(
    ("kind", "token", "brand"),
    [
        ("card", "tok_ok", None),
        ("wallet", "tok_ok", "apple_pay"),
        ("netbanking", None, "HDFC"),
        ("upi", "ok@sim", None),
    ],
)
async def test_each_payment_method_is_spelled_as_the_simulator_reads_it(
    fast_psp: SimulatorProcess, kind: PaymentMethodType, token: str | None, brand: str | None
) -> None:
    psp = SimulatorPsp(simulator_options(fast_psp.url))
    reply = await psp.authorize(order(kind, token, brand))
    await psp.close()

    assert isinstance(reply, Answer)
    assert reply.approved


async def test_a_wrong_key_is_not_processed(fast_psp: SimulatorProcess) -> None:
    psp = SimulatorPsp(SimulatorOptions(url=fast_psp.url, key="sk_wrong"))
    reply = await psp.authorize(order("card", "tok_ok", "x"))
    await psp.close()

    assert reply == NotProcessed(psp_code="unauthenticated", http_status=401, retryable=True)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", Unknown(cause="reset")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", Unknown(cause="reset")),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Unknown(cause="malformed")),
        (b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", None),
    ],
)
async def test_a_server_that_hangs_up_or_speaks_otherwise_leaves_it_unknown(
    sent: bytes, expected: Unknown | None
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    psp = SimulatorPsp(SimulatorOptions(url=f"http://127.0.0.1:{port}", key=KEY, deadline_s=2))
    reply: OrderReply = await psp.authorize(order("card", "tok_ok", "y"))
    await psp.close()
    server.close()
    await server.wait_closed()

    assert reply == (expected or Unknown(cause="malformed", http_status=307))
