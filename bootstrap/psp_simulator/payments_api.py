"""`/v1`: the PSP's own interface. Every request is authenticated, every POST carries an Idempotency-Key."""

import hmac
import re
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bootstrap.psp_simulator import orders
from bootstrap.psp_simulator.delivery import Reset, Silence, respond
from bootstrap.psp_simulator.faults import Damage, Target
from bootstrap.psp_simulator.orders import Order
from bootstrap.psp_simulator.problems import ProblemError, internal_error, unavailable
from bootstrap.psp_simulator.replies import Reply
from bootstrap.psp_simulator.simulator import Simulator, request_digest

MAX_BODY_BYTES = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Answering = Callable[[], Awaitable[Reply]]


class BearerKey:
    """Lets a request pass that carries the account's key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._expected):
            raise ProblemError(
                401, "unauthenticated", "A valid Bearer key is wanted.", headers={"WWW-Authenticate": "Bearer"}
            )
        await self._app(scope, receive, send)


async def read_body(request: Request) -> object:
    """The body's JSON value.

    Raises:
        ProblemError: 415, 413 or 400 `bad_json`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(415, "unsupported_media_type", "Content-Type must be application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(
                413, "body_too_large", f"At most {MAX_BODY_BYTES} bytes.", headers={"Connection": "close"}
            )
    try:
        value: object = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ProblemError(400, "bad_json", str(error)) from error
    return value


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key")
    if key is None:
        raise ProblemError(400, "idempotency_key_missing", "Every POST carries an Idempotency-Key.")
    if not _KEY.fullmatch(key):
        raise ProblemError(400, "idempotency_key_invalid", "1 to 255 visible ASCII characters.")
    return key


class PaymentsApi:
    """The endpoints over one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        return [
            Route("/payments", self.pay, methods=["POST"]),
            Route("/payments/{payment_id}/captures", self.capture, methods=["POST"]),
            Route("/payments/{payment_id}/refunds", self.refund, methods=["POST"]),
            Route("/payments/{payment_id}/voids", self.void, methods=["POST"]),
            Route("/payments/{payment_id}/actions", self.complete_action, methods=["POST"]),
            Route("/operations", self.inquire, methods=["GET"]),
            Route("/reversals", self.reverse, methods=["POST"]),
        ]

    async def pay(self, request: Request) -> Response:
        return await self._take(request, "payment", orders.payment_order)

    async def capture(self, request: Request) -> Response:
        payment_id = request.path_params["payment_id"]
        return await self._take(request, "capture", lambda body: orders.capture_order(payment_id, body))

    async def refund(self, request: Request) -> Response:
        payment_id = request.path_params["payment_id"]
        return await self._take(request, "refund", lambda body: orders.refund_order(payment_id, body))

    async def void(self, request: Request) -> Response:
        payment_id = request.path_params["payment_id"]
        return await self._take(request, "void", lambda body: orders.void_order(payment_id, body))

    async def complete_action(self, request: Request) -> Response:
        _idempotency_key(request)
        reference = orders.reference_alone(await read_body(request))
        raise await self._simulator.action_refusal(request.path_params["payment_id"], reference)

    async def reverse(self, request: Request) -> Response:
        key = _idempotency_key(request)
        body = await read_body(request)
        reference = orders.reference_alone(body)
        digest = request_digest("POST", request.scope["path"], body)
        return await self._under_faults("reversal", lambda: self._simulator.reverse(reference, key=key, digest=digest))

    async def inquire(self, request: Request) -> Response:
        reference = orders.checked_reference(request.query_params.get("reference"))
        return await self._under_faults("inquiry", lambda: self._simulator.inquire(reference))

    async def _take(self, request: Request, target: Target, read: Callable[[object], Order]) -> Response:
        key = _idempotency_key(request)
        body = await read_body(request)
        order = read(body)
        digest = request_digest("POST", request.scope["path"], body)
        return await self._under_faults(target, lambda: self._simulator.order(order, key=key, digest=digest))

    async def _under_faults(self, target: Target, answering: Answering) -> Response:
        """Answer, unless a fault set by hand waits for this kind of request."""
        clock = self._simulator.clock
        fault = self._simulator.faults.next_for(target)
        damage: Damage = "none" if fault is None else fault.fault
        if fault is not None and fault.latency_s:
            await clock.sleep(round(fault.latency_s * 1000))
        match damage:
            case "drop_before":
                return Reset()
            case "hang":
                return Silence(clock)
            case "error":
                raise internal_error()
            case "unavailable":
                raise unavailable()
            case "none" | "drop_after":
                pass
        reply = await answering()
        return Reset() if damage == "drop_after" else respond(reply, clock)
