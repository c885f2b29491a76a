"""The frame of every process: health, metrics, signals, logs, and what becomes of a failure."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from bootstrap.http_server import SPARE_FILES
from bootstrap.local_stack import ports
from bootstrap.processes import HEALTH_FRESH_FOR_S, HealthReport, ops_application
from bootstrap.telemetry.exposition import Exposition

REPOSITORY = Path(__file__).parents[3]
PROCESS = """
import asyncio, logging, resource, sys
from bootstrap.processes import HealthReport, serve
from bootstrap.settings import Settings

async def work(stopping):
    logging.getLogger("library").warning("a %s line", "library's")
    logging.getLogger("library").warning("the key is %s", Settings().psp_simulator.key)
    if sys.argv[2] == "fails":
        raise RuntimeError("the disk is full")
    await stopping.wait()
    if sys.argv[2] == "deaf":
        await asyncio.sleep(3600)

async def health():
    return HealthReport(ready=sys.argv[2] != "unready", details={"lag_events": 3})

for files in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

from bootstrap import processes
processes.STOP_WITHIN_S = 0.5
asyncio.run(serve("worker", int(sys.argv[1]), work, health))
"""


@dataclass
class Worker:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]

    def await_health(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self.get("/health/live")
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text(encoding="utf-8")
                time.sleep(0.05)
            else:
                return


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start_one(behaviour: str, *files: str) -> Worker:
        port, log = ports.choose([]), tmp_path / "worker.log"
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GUILDER_PSP_SIMULATOR__KEY": "never-shown-4711"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", PROCESS, str(port), behaviour, *files],
                stdout=output,
                stderr=output,
                env=environment,
            )
        started.append(Worker(process, port, log))
        return started[-1]

    yield start_one
    for worker in started:
        worker.process.kill()
        worker.process.wait(10)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_health_and_metrics_and_ends_when_asked(start: Callable[..., Worker], asked: int) -> None:
    worker = start("works")
    worker.await_health()
    assert worker.get("/health/live") == (200, '{"live":true}')
    assert worker.get("/health/ready") == (200, '{"ready":true,"details":{"lag_events":3}}')
    status, metrics = worker.get("/metrics")
    assert (status, "process_cpu_seconds_total" in metrics) == (200, True)
    assert worker.get("/elsewhere")[0] == 404
    worker.process.send_signal(asked)
    assert worker.process.wait(10) == 0
    events = [(line["process"], line["event"]) for line in worker.lines()]
    assert ("worker", "started") in events
    assert ("worker", "a library's line") in events
    assert ("worker", "the key is [redacted]") in events
    assert events[-1] == ("worker", "ended")


def test_one_that_cannot_do_its_work_is_alive_but_not_ready(start: Callable[..., Worker]) -> None:
    worker = start("unready")
    worker.await_health()
    assert worker.get("/health/live")[0] == 200
    assert worker.get("/health/ready")[0] == 503


def test_whoever_only_connects_takes_no_file_that_the_process_needs(start: Callable[..., Worker]) -> None:
    worker = start("works", str(SPARE_FILES + 64))
    worker.await_health()
    with ExitStack() as opened:
        for _ in range(SPARE_FILES + 128):
            opened.enter_context(socket.create_connection(("127.0.0.1", worker.port)))
        assert worker.get("/health/live")[0] == 200
        assert psutil.Process(worker.process.pid).num_fds() < SPARE_FILES


def test_a_failure_is_raised_and_ends_the_process(start: Callable[..., Worker]) -> None:
    worker = start("fails")
    assert worker.process.wait(20) == 1
    assert worker.log.read_text(encoding="utf-8").count("RuntimeError: the disk is full") == 1


def test_one_that_does_not_finish_in_time_is_cancelled(start: Callable[..., Worker]) -> None:
    worker = start("deaf")
    worker.await_health()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0


def test_a_taken_port_ends_the_process_so_that_it_is_noticed(start: Callable[..., Worker]) -> None:
    first = start("works")
    first.await_health()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    second = subprocess.run(
        [sys.executable, "-c", PROCESS, str(first.port), "works"],
        check=False,
        env=environment,
        capture_output=True,
        timeout=20,
    )
    assert second.returncode != 0
    assert b"address already in use" in second.stdout
    assert b'"started"' not in second.stdout


async def test_whoever_asks_often_costs_one_look() -> None:
    looks = 0

    async def health() -> HealthReport:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.01)
        return HealthReport(ready=False)

    statuses = []

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Mapping[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    application = ops_application(health, Exposition())
    await asyncio.gather(*[application({"path": "/health/ready"}, receive, send) for _ in range(20)])
    assert (statuses, looks) == ([503] * 20, 1)
    await asyncio.sleep(HEALTH_FRESH_FOR_S)
    await application({"path": "/health/ready"}, receive, send)
    assert looks == 2
