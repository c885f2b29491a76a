"""A simulator in a process of its own, and a client that speaks its wire."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from bootstrap.local_stack.ports import choose

KEY = "sk_test_simulator"
ROOT = Path(__file__).parents[3]
_numbers = itertools.count(1)


def fresh(prefix: str) -> str:
    """A reference or key that no other test of this run uses."""
    return f"{prefix}-{next(_numbers)}"


def free_port() -> int:
    """A port that no outgoing connection takes before the server that is to have it has started."""
    return choose([])


class SimulatorProcess:
    """Starts and ends the simulator on one database; the clock stands still unless told otherwise."""

    def __init__(self, directory: Path, *, clock_scale: float | None = 0) -> None:
        self.database = directory / "psp.sqlite"
        self.clock_scale = clock_scale
        self.port = free_port()
        self._output = directory / "psp.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "bootstrap.psp_simulator", "--port", str(self.port)]
        command += ["--database", str(self.database)]
        return command if self.clock_scale is None else [*command, "--clock-scale", str(self.clock_scale)]

    def spawn(self) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "GUILDER_PSP_SIMULATOR__KEY": KEY}
        with self._output.open("ab") as output:
            return subprocess.Popen(self.command(), cwd=ROOT, env=environment, stdout=output, stderr=output)

    async def start(self) -> None:
        self._process = self.spawn()
        async with httpx.AsyncClient(base_url=self.url) as client:
            for _ in range(1200):
                assert self._process.poll() is None, self.output()
                try:
                    if (await client.get("/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        self.kill()
        raise AssertionError(f"the simulator was not ready in time:\n{self.output()}")

    def output(self) -> str:
        return self._output.read_text()

    def kill(self) -> None:
        """As `kill -9`."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(timeout=20)


class Client:
    """The simulator's wire, with a fresh reference and key for each request unless given."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20)

    async def post(self, path: str, body: object, *, key: str | None = None, patience_s: float = 20) -> httpx.Response:
        headers = {"Idempotency-Key": key or fresh("key")}
        return await self.http.post(path, json=body, headers=headers, timeout=patience_s)

    def payment(self, token: str = "tok_ok", amount: int = 10_000, **fields: Any) -> dict[str, Any]:
        body = {"reference": fresh("att"), "amount": amount, "currency": "EUR"}
        return {**body, "payment_method": {"type": "card", "token": token}, **fields}

    async def pay(self, token: str = "tok_ok", amount: int = 10_000, **fields: Any) -> dict[str, Any]:
        """A payment that must be answered with 200."""
        return await self.done("/v1/payments", self.payment(token, amount, **fields))

    async def done(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.post(path, body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def capture(self, payment: dict[str, Any], amount: int, *, final: bool = False) -> dict[str, Any]:
        body = {"reference": fresh("att"), "amount": amount, "final": final}
        return await self.done(f"/v1/payments/{payment['id']}/captures", body)

    async def refund(self, payment: dict[str, Any], amount: int) -> dict[str, Any]:
        body = {"reference": fresh("att"), "amount": amount}
        return await self.done(f"/v1/payments/{payment['id']}/refunds", body)

    async def void(self, payment: dict[str, Any]) -> dict[str, Any]:
        return await self.done(f"/v1/payments/{payment['id']}/voids", {"reference": fresh("att")})

    async def reverse(self, reference: str) -> dict[str, Any]:
        return await self.done("/v1/reversals", {"reference": reference})

    async def inquire(self, reference: str) -> httpx.Response:
        return await self.http.get("/v1/operations", params={"reference": reference})

    async def found(self, reference: str) -> dict[str, Any]:
        answer = await self.inquire(reference)
        assert answer.status_code == 200, answer.text
        operation: dict[str, Any] = answer.json()
        return operation

    async def log(self, after: int = 0) -> list[dict[str, Any]]:
        answer = await self.http.get("/sim/log", params={"after": after})
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        return [httpx.Response(200, content=line).json() for line in answer.text.splitlines()]

    async def story(self, reference: str) -> list[tuple[str, str, int, int]]:
        """The log's lines under one reference: operation, result, amount, fee."""
        lines = [line for line in await self.log() if line["reference"] == reference]
        return [(line["operation"], line["result"], line["amount"], line["fee"]) for line in lines]

    async def advance(self, seconds: float) -> None:
        answer = await self.http.post("/sim/clock", json={"advance_s": seconds})
        assert answer.status_code == 200, answer.text


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]
