"""The adapter of the PSP simulator: its endpoints over HTTP/1.1 keep-alive, one client, bounded in time."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from event_store.tracing import TRACING
from processors.psp.provider import (
    AuthorizeOrder,
    CaptureOrder,
    Inquiry,
    InquiryReply,
    NotProcessed,
    OrderReply,
    RefundOrder,
    ReversalOrder,
    ReversalReply,
    Unknown,
    VoidOrder,
)
from processors.psp.simulator_wire import Approval, Expected, Kind, read_inquiry, read_order, read_reversal
from schemas.events.payment_intent import PaymentMethod

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {"authorize": "payment", "capture": "capture", "refund": "refund", "void": "void"}
)

_APPROVALS: Final[Mapping[Kind, Approval]] = MappingProxyType(
    {"payment": "authorized", "capture": "captured", "refund": "refunded", "void": "voided"}
)


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the simulator is and how long it may take: `deadline_s` seconds for a whole call, `connect_s` to connect."""

    url: str
    key: str
    connect_s: float = 2.0
    deadline_s: float = 10.0
    connections: int = 64


class _Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    retry_after: str | None


class SimulatorPsp:
    """`PaymentServiceProvider` over the simulator's wire."""

    def __init__(self, options: SimulatorOptions) -> None:
        """Belongs to the event loop that is running."""
        self._url = options.url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=options.connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Authorization": f"Bearer {options.key}"},
            timeout=aiohttp.ClientTimeout(
                total=options.deadline_s, sock_connect=options.connect_s, ceil_threshold=math.inf
            ),
        )

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        method = _method(order.payment_method)
        if method is None:
            return NotProcessed(psp_code="payment_method_incomplete", http_status=None, retryable=False)
        body = {
            "reference": order.reference,
            "amount": order.amount,
            "currency": order.currency,
            "capture": order.sale,
            "return_url": order.return_url,
            "payment_method": method,
        }
        return await self._order("/v1/payments", body, order, _expected("payment", order, sale=order.sale))

    async def capture(self, order: CaptureOrder) -> OrderReply:
        body = {"reference": order.reference, "amount": order.amount, "final": order.final}
        path = f"/v1/payments/{quote(order.payment, safe='')}/captures"
        return await self._order(path, body, order, _expected("capture", order, payment=order.payment))

    async def refund(self, order: RefundOrder) -> OrderReply:
        body = {"reference": order.reference, "amount": order.amount}
        path = f"/v1/payments/{quote(order.payment, safe='')}/refunds"
        return await self._order(path, body, order, _expected("refund", order, payment=order.payment))

    async def void(self, order: VoidOrder) -> OrderReply:
        path = f"/v1/payments/{quote(order.payment, safe='')}/voids"
        body = {"reference": order.reference}
        return await self._order(path, body, order, _expected("void", order, payment=order.payment))

    async def inquire(self, inquiry: Inquiry) -> InquiryReply:
        expected = _expected(_KINDS[inquiry.operation], inquiry, sale=inquiry.sale)
        reply = await self._call("GET", f"/v1/operations?reference={quote(inquiry.reference, safe='')}")
        if not isinstance(reply, _Reply):
            return reply
        return read_inquiry(expected, reply.status, reply.body, reply.retry_after)

    async def reverse(self, order: ReversalOrder) -> ReversalReply:
        expected = Expected(kind="payment", approved_as="voided", reference=order.reference, amount=0, currency="")
        reply = await self._call("POST", "/v1/reversals", {"reference": order.reference}, key=order.idempotency_key)
        if not isinstance(reply, _Reply):
            return reply
        return read_reversal(expected, reply.status, reply.body, reply.retry_after)

    async def close(self) -> None:
        await self._session.close()

    async def _order(
        self,
        path: str,
        body: Mapping[str, object],
        order: AuthorizeOrder | CaptureOrder | RefundOrder | VoidOrder,
        expected: Expected,
    ) -> OrderReply:
        reply = await self._call("POST", path, body, key=order.idempotency_key)
        if not isinstance(reply, _Reply):
            return reply
        return read_order(expected, reply.status, reply.body, reply.retry_after)

    async def _call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> _Reply | NotProcessed | Unknown:
        headers = {} if key is None else {"Content-Type": "application/json", "Idempotency-Key": key}
        data = None if body is None else msgspec.json.encode(body)
        if traceparent := TRACING.traceparent():
            headers["traceparent"] = traceparent
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=headers, allow_redirects=False
            ) as response:
                return _Reply(response.status, await response.read(), response.headers.get("Retry-After"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            # No connection, so not one byte of it can have arrived.
            return NotProcessed(psp_code="unreachable", http_status=None, retryable=True)
        except TimeoutError:
            return Unknown(cause="timeout")
        except aiohttp.ClientResponseError:
            return Unknown(cause="malformed")
        except (aiohttp.ClientError, OSError):
            return Unknown(cause="reset")


def _expected(
    kind: Kind,
    order: AuthorizeOrder | CaptureOrder | RefundOrder | VoidOrder | Inquiry,
    *,
    sale: bool = False,
    payment: str | None = None,
) -> Expected:
    return Expected(
        kind=kind,
        approved_as="captured" if sale else _APPROVALS[kind],
        reference=order.reference,
        amount=order.amount,
        currency=order.currency,
        payment=payment,
    )


def _method(method: PaymentMethod) -> Mapping[str, str] | None:
    """The method as the simulator spells it; null when the log does not hold what it needs."""
    match method.type, method.token_ref, method.brand:
        case "card", str(token), _:
            return {"type": "card", "token": token}
        case "wallet", str(token), str(provider):
            return {"type": "wallet", "provider": provider, "token": token}
        case "upi", str(token), _:
            return {"type": "upi", "payer_vpa": token}
        case "netbanking", _, str(bank):
            return {"type": "netbanking", "bank_code": bank}
        case _:
            return None
