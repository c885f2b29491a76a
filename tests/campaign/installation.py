"""A whole installation of its own: brought up as a user does it, its processes killed by their pids, drained, taken down."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil

from bootstrap.cli.status import describe
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.local_stack import state
from tests.campaign.traffic import Customer
from tests.stack import temporary_home

REPOSITORY = Path(__file__).parents[2]
SHARDS = 4
DELAY_SCALE = 0.05
CALL_WITHIN_S = 150.0
PROCESSES = ("postgres", "kafka", "psp-simulator", "api", "relay", "projector", "saga")

_PROGRESS = """
    SELECT h.shard, h.position AS head, coalesce(r.position, 0) AS relayed,
        (SELECT min(coalesce(c.position, 0)) FROM live l
         LEFT JOIN checkpoints c ON c.projection = l.projection AND c.generation = l.generation AND c.shard = h.shard
        ) AS projected,
        coalesce(s.position, 0) AS scheduled
    FROM heads h
    LEFT JOIN relay_checkpoints r USING (shard)
    LEFT JOIN checkpoints s ON s.projection = 'payment_saga' AND s.generation = 1 AND s.shard = h.shard
    ORDER BY h.shard
"""
# A hold expires after days: what is left of such timers is not due and may wait.
_STEPS = """
    SELECT kind, count(*) AS steps, max(error) AS error FROM steps
    WHERE finished_at IS NULL AND (kind IN ('call', 'inquiry', 'reversal') OR due_at <= $1)
    GROUP BY kind
"""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far everything behind the log has come: positions by shard, and steps that are due or will soon be."""

    shards: list[dict[str, int]]
    steps: list[dict[str, Any]]

    @property
    def drained(self) -> bool:
        # What is projected and scheduled was relayed; the relay's own checkpoint may well be behind that.
        followers = ("projected", "scheduled")
        return not self.steps and all(shard[name] == shard["head"] for shard in self.shards for name in followers)


@dataclass(frozen=True)
class Installation:
    """One installation in `home`; `environment` is what its commands are called with."""

    home: Path
    environment: Mapping[str, str]
    printed: list[str] = field(default_factory=list)
    """What `up` printed first."""

    @property
    def api(self) -> str:
        return self._address("api")

    @property
    def postgres_dsn(self) -> str:
        return self._address("postgres_dsn")

    @property
    def kafka_bootstrap(self) -> str:
        return self._address("kafka_bootstrap")

    @property
    def psp_simulator(self) -> str:
        return self._address("psp_simulator")

    def _address(self, name: str) -> str:
        address: str = self.status()[name]
        return address

    def guilder(self, *arguments: str) -> str:
        """What `guilder ARGUMENTS` prints; fails with what it complained of."""
        done = subprocess.run(
            [sys.executable, "-m", "bootstrap.cli", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=CALL_WITHIN_S,
            env=dict(self.environment),
            cwd=self.home,
        )
        assert done.returncode == 0, f"guilder {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    async def call(self, *arguments: str) -> Any:
        """What `guilder ARGUMENTS --json` says."""
        return json.loads(await asyncio.to_thread(self.guilder, *arguments, "--json"))

    def status(self) -> dict[str, Any]:
        """What `guilder status --json` says, without starting a process for it."""
        return describe(self.home, state.load(self.home))

    def pids(self) -> dict[str, int]:
        return {process.name: process.pid for process in state.load(self.home).processes}

    def signal(self, name: str, number: int) -> int:
        """Send a signal to the process called `name`; its pid."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    async def kill(self, name: str) -> None:
        """`kill -9`, and return once the supervisor has noticed."""
        pid = self.signal(name, signal.SIGKILL)
        async with asyncio.timeout(15):
            while self.pids().get(name) == pid:  # noqa: ASYNC110 - the pid is told in a file
                await asyncio.sleep(0.05)

    def remains(self) -> list[str]:
        """Every process of this machine that was told of this home, or works in it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                told = process.environ().get("GUILDER_HOME") == str(self.home)
                of_home = process.cwd().startswith(str(self.home)) or str(self.home) in " ".join(process.cmdline())
                if (told or of_home) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {process.name()}")
        return found

    def kill_all(self) -> None:
        """`kill -9` of the supervisor and of everything it runs, as when the machine loses its power."""
        current = state.load(self.home)
        assert current.supervisor is not None
        for process in (current.supervisor, *current.processes):
            os.kill(process.pid, signal.SIGKILL)

    async def healthy(self, *names: str, within_s: float = 60) -> None:
        """Wait until these processes (none named: all) run and are well."""
        wanted = set(names or PROCESSES)
        unwell = wanted
        try:
            async with asyncio.timeout(within_s):
                while unwell:
                    status = await asyncio.to_thread(self.status)
                    unwell = wanted - {process["name"] for process in status["processes"] if process["healthy"]}
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{sorted(unwell)} did not recover in {within_s:.0f} s: {self.logs(unwell)}") from None

    def logs(self, names: "set[str] | tuple[str, ...]" = PROCESSES) -> str:
        """The last lines of the logs of some processes."""
        found = []
        for name in sorted(names):
            path = self.home / "logs" / f"{name}.log"
            if path.exists():
                found += [f"{name}: {line[:600]}" for line in path.read_text("utf-8", "replace").splitlines()[-8:]]
        return "\n".join(found)

    async def customers(self, number: int) -> list[Customer]:
        """The demo merchant, whose funds become available soon, and others registered as an operator would."""
        demo = self.status()["demo"]

        async def join(name: str) -> Customer:
            made = await self.call("merchant", "create", "--name", name, "--country", "NL")
            key = await self.call("merchant", "key", "issue", made["merchant_id"])
            return Customer(merchant_id=made["merchant_id"], api_key=key["api_key"])

        joined = await asyncio.gather(*(join(f"Shop {count}") for count in range(1, number)))
        return [Customer(merchant_id=demo["merchant_id"], api_key=demo["api_key"]), *joined]

    async def progress(self) -> Progress:
        """How far relay, projector and saga are behind the log now."""
        connection: Any = await asyncpg.connect(self.postgres_dsn, timeout=5)
        try:
            shards = [dict(row) for row in await connection.fetch(_PROGRESS)]
            steps = [dict(row) for row in await connection.fetch(_STEPS, SYSTEM_CLOCK.now_ms())]
        finally:
            await connection.close()
        return Progress(shards=shards, steps=steps)

    async def drained(self, *, within_s: float = 60) -> None:
        """Wait until nothing is under way any more: all is relayed, projected and scheduled, and no step is due."""
        last = await self.progress()
        quiet = 0
        try:
            async with asyncio.timeout(within_s):
                # Twice the same: a step that has just ended may have appended what is not relayed yet.
                while quiet < 2:
                    await asyncio.sleep(0.3)
                    before, last = last, await self.progress()
                    quiet = quiet + 1 if last.drained and last.shards == before.shards else 0
        except TimeoutError:
            raise AssertionError(f"not drained in {within_s:.0f} s: {last}\n{self.logs()}") from None


_shared: list[tuple[Installation, ExitStack]] = []


def shared_installation() -> Installation:
    """The whole installation of this test run, started for whoever asks first."""
    if not _shared:
        with ExitStack() as stack:
            installation = stack.enter_context(whole_installation())
            _shared.append((installation, stack.pop_all()))
    return _shared[0][0]


def end_shared_installation() -> None:
    """End it if it runs: those that come do not need it, and its idle processes would take their time."""
    while _shared:
        _shared.pop()[1].close()


@contextmanager
def whole_installation() -> Iterator[Installation]:
    """`guilder up --detach` in a home of its own with servers of its own; `guilder down` in the end, whatever happens."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("GUILDER_")}
    with temporary_home() as home:
        environment = {
            **given,
            "PYTHONPATH": str(REPOSITORY),
            "GUILDER_HOME": str(home),
            "GUILDER_SHARDS": str(SHARDS),
            "GUILDER_DELAY_SCALE": str(DELAY_SCALE),
            # A trace that a caller wants kept is kept; of the others a few.
            "GUILDER_TELEMETRY__SAMPLED": "0.01",
        }
        if "GUILDER_CACHE" in os.environ:
            environment["GUILDER_CACHE"] = os.environ["GUILDER_CACHE"]
        installation = Installation(home, environment)
        try:
            installation.printed.append(installation.guilder("up", "--detach"))
            yield installation
            assert installation.guilder("down").startswith("ended: supervisor, postgres, kafka")
            assert installation.remains() == []
        finally:
            installation.guilder("down")
