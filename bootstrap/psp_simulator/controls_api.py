"""`/sim`: the oracle and the controls. No key, since a simulator holds nobody's money.

- `GET /sim/log[?after=SEQ][&limit=N]`: `application/x-ndjson`, a `LogLine` each, numbered densely from 1; a pending
  operation has a line when it was taken and one when it settled; a reversal's line carries its target's reference.
- `GET /sim/clock` → `{"now", "scale"}`; `POST /sim/clock {"scale"?, "advance_s"?}` answers the same.
- `GET /sim/faults`, `POST /sim/faults` (a `Fault`), `DELETE /sim/faults` → `{"faults": […]}`.
- `POST /sim/reset`: forgets everything but the clock; the log starts at 1 again.
"""

from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bootstrap.psp_simulator.clock import MAX_SCALE, rfc3339
from bootstrap.psp_simulator.faults import Fault
from bootstrap.psp_simulator.payments_api import read_body
from bootstrap.psp_simulator.problems import FieldError, ProblemError
from bootstrap.psp_simulator.simulator import Simulator

PAGE_LINES = 200
MAX_ADVANCE_S = 10 * 366 * 86_400

T = TypeVar("T")


class ClockSetting(msgspec.Struct, forbid_unknown_fields=True):
    """`scale` in simulated seconds per real one (0 stops the clock), `advance_s` in simulated seconds."""

    scale: float | None = None
    advance_s: float = 0.0


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _refused(pointer: str, code: str, detail: str) -> ProblemError:
    return ProblemError(400, "validation_failed", detail, errors=[FieldError(pointer, code, detail)])


async def _read(request: Request, wanted: type[T]) -> T:
    body = await read_body(request)
    try:
        return msgspec.convert(body, wanted)
    except msgspec.ValidationError as error:
        # msgspec names the place at the end of its message: "… - at `$.scale`".
        place = str(error).partition("`$.")[2].rstrip("`").replace(".", "/")
        raise _refused(f"/{place}" if place else "", "bad_format", str(error)) from error


def _number(request: Request, name: str, default: int | None) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - fits SQLite's 64 bits
        raise _refused(f"/{name}", "not_integer", f"{name} is a number of lines, 0 or more")
    return int(text)


class ControlsApi:
    """The endpoints over one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        return [
            Route("/log", self.log, methods=["GET"]),
            Route("/clock", self.clock, methods=["GET"]),
            Route("/clock", self.move_clock, methods=["POST"]),
            Route("/faults", self.faults, methods=["GET"]),
            Route("/faults", self.add_fault, methods=["POST"]),
            Route("/faults", self.clear_faults, methods=["DELETE"]),
            Route("/reset", self.reset, methods=["POST"]),
        ]

    async def log(self, request: Request) -> Response:
        after = _number(request, "after", 0) or 0
        limit = _number(request, "limit", None)
        return StreamingResponse(self._lines(after, limit), media_type="application/x-ndjson")

    async def _lines(self, after: int, limit: int | None) -> AsyncIterator[bytes]:
        rest = limit
        while rest is None or rest > 0:
            wanted = PAGE_LINES if rest is None else min(PAGE_LINES, rest)
            page = await self._simulator.log_page(after, wanted)
            yield b"".join(msgspec.json.encode(line) + b"\n" for line in page)
            if len(page) < wanted:
                return
            after = page[-1].seq
            rest = None if rest is None else rest - len(page)

    async def clock(self, _request: Request) -> Response:
        clock = self._simulator.clock
        return _json({"now": rfc3339(clock.now_ms()), "scale": clock.scale})

    async def move_clock(self, request: Request) -> Response:
        setting = await _read(request, ClockSetting)
        if setting.scale is not None and not 0 <= setting.scale <= MAX_SCALE:
            raise _refused("/scale", "out_of_range", f"0 to {MAX_SCALE:.0f}")
        if not 0 <= setting.advance_s <= MAX_ADVANCE_S:
            raise _refused("/advance_s", "out_of_range", f"0 to {MAX_ADVANCE_S}")
        await self._simulator.move_clock(scale=setting.scale, advance_ms=round(setting.advance_s * 1000))
        return await self.clock(request)

    async def faults(self, _request: Request) -> Response:
        return _json({"faults": self._simulator.faults.waiting()})

    async def add_fault(self, request: Request) -> Response:
        fault = await _read(request, Fault)
        if fault.requests < 1:
            raise _refused("/requests", "out_of_range", "1 or more")
        if not 0 <= fault.latency_s <= MAX_ADVANCE_S:
            raise _refused("/latency_s", "out_of_range", f"0 to {MAX_ADVANCE_S}")
        self._simulator.faults.add(fault)
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> Response:
        self._simulator.faults.clear()
        return await self.faults(request)

    async def reset(self, _request: Request) -> Response:
        await self._simulator.reset()
        return Response(status_code=204)
