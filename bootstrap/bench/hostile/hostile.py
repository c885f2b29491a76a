"""Ordinary clients' creates before, during and after each way of misbehaving, against one API process."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import msgspec
import psutil

from bootstrap.bench import BenchError, conditions
from bootstrap.bench.create import create_load
from bootstrap.bench.ground import SHARDS, Ground, install, prepared_ground
from bootstrap.bench.hostile.attack import Attack, Seen
from bootstrap.bench.hostile.attacker import BEGUN
from bootstrap.bench.hostile.report import HostileReport, Outcome, Phase
from bootstrap.bench.load import Refused, run_load
from bootstrap.bench.loaded_server import LoadedServer
from bootstrap.local_stack import child, ports
from bootstrap.local_stack.servers import tail

SCENARIOS: Final = {
    "slow heads": 1000,
    "slow bodies": 1000,
    "idle connections": 4000,
    "large bodies": 32,
    "large heads": 32,
    "pipelining": 32,
    "invalid requests": 64,
    "a merchant's flood": 128,
    "slow readers": 500,
    "wrong keys": 64,
    "metrics": 64,
    "no key": 64,
    "abandoned waits": 64,
}
"""How many connections misbehave in which way."""

ATTACKER: Final = "bootstrap.bench.hostile.attacker"
_ORDINARY_CONNECTIONS: Final = 16
_SETTLE_S: Final = 1.0
_SAMPLE_S: Final = 0.05
_SPARE_S: Final = 30.0
_WARM_UP_S: Final = 0.3

Progress = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` for each phase, ordinary creates at `rate` a second, and connections as a share of the usual."""

    seconds: float
    rate: float
    share: float = 1.0
    scenarios: tuple[str, ...] = tuple(SCENARIOS)

    @property
    def settle_s(self) -> float:
        return min(_SETTLE_S, self.seconds)


def run_hostile(folder: Path, plan: Plan, progress: Progress = lambda _what: None) -> HostileReport:
    """Measure every scenario with servers of its own in a new folder below `folder`, which is removed afterwards.

    Raises:
        BenchError: an attacker failed, or nothing could be measured before it began.
        LocalStackError: a server could not be started.
    """
    load_1m = os.getloadavg()[0]
    progress("starting the servers")
    with prepared_ground(folder) as ground:
        seen = conditions.observe(ground, load_1m=load_1m, rounds=1, seconds=plan.seconds, lifecycles=0)
        api, bearer = _api(ground)
        outcomes: list[Outcome] = []
        for scenario in plan.scenarios:
            progress(scenario)
            attack = Attack(
                kind=scenario,
                port=api.port,
                connections=max(1, round(SCENARIOS[scenario] * plan.share)),
                seconds=plan.seconds * 2 + _SPARE_S,
                bearer=bearer,
            )
            outcomes.append(_measured(api, attack, plan, len(outcomes)))
    return HostileReport(conditions=seen, rate=plan.rate, outcomes=tuple(outcomes))


def _api(ground: Ground) -> tuple[LoadedServer, str]:
    """An API process as it is run, the ordinary merchants' keys, and that of the one who misbehaves."""
    hostile, *ordinary = install(ground, "guilder")
    port = ports.choose([])
    environment = {
        "GUILDER_HOME": str(ground.home),
        "GUILDER_SHARDS": str(SHARDS),
        "GUILDER_API__PORT": str(port),
        "GUILDER_POSTGRES__DSN": ground.dsn("guilder"),
    }
    process = ground.start("api", ["-m", "bootstrap.cli", "run", "api"], port, environment)
    bearers = tuple(merchant.key for merchant in ordinary)
    return LoadedServer(process, port, bearers, ground.home / "loads" / "api"), hostile.key


def _measured(api: LoadedServer, attack: Attack, plan: Plan, number: int) -> Outcome:
    before = _phase(api, plan, f"before-{number}")
    if before.failed is not None:
        raise BenchError(f"creates failed before anybody misbehaved: {before.failed}")
    attacker = _Attacker(attack, api.folder.parent / f"attack-{number}")
    try:
        attacker.await_begun()
        attacker.wait(plan.settle_s)
        during = _phase(api, plan, f"during-{number}")
        seen = attacker.ended()
    finally:
        attacker.stop()
    attacker.wait(plan.settle_s)
    after = _phase(api, plan, f"after-{number}")
    return Outcome(
        scenario=attack.kind, connections=attack.connections, before=before, during=during, after=after, seen=seen
    )


def _phase(api: LoadedServer, plan: Plan, run: str) -> Phase:
    load = msgspec.structs.replace(
        create_load(api, seconds=plan.seconds, warm_up_s=_WARM_UP_S, run=run),
        rate=plan.rate,
        connections=_ORDINARY_CONNECTIONS,
    )
    with _PeakMemory(api.process.pid) as memory:
        try:
            result = run_load(load, api.folder)
        except Refused as refused:
            return Phase(memory_bytes=memory.peak, failed=str(refused))
        except BenchError as error:
            return Phase(memory_bytes=memory.peak, failed=f"no figures: {error}")
    return Phase(per_second=result.per_second, p50_ms=result.p50_ms, p99_ms=result.p99_ms, memory_bytes=memory.peak)


class _PeakMemory:
    """The most resident memory of a process between two moments."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak = 0

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._look()

    def _look(self) -> None:
        self.peak = max(self.peak, self._process.memory_info().rss)


class _Attacker:
    """The attacker's process; told to end, it says what it saw."""

    def __init__(self, attack: Attack, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._seen, self._log, self._begun = folder / "seen.json", folder / "attacker.log", folder / BEGUN
        asked = folder / "attack.json"
        asked.write_bytes(msgspec.json.encode(attack))
        self._child = child.start(
            "attacker", [sys.executable, "-m", ATTACKER, str(asked), str(self._seen)], log_path=self._log
        )

    def await_begun(self) -> None:
        """Wait until it misbehaves; raises `BenchError` when it does not."""
        for _ in range(int(_SPARE_S / _SAMPLE_S)):
            if self._begun.exists():
                return
            self.wait(_SAMPLE_S)
        raise BenchError(f"the attacker did not begin:\n{tail(self._log)}")

    def wait(self, seconds: float) -> None:
        """Let it work."""
        threading.Event().wait(seconds)

    def ended(self) -> Seen:
        """End the attack; raises `BenchError` when it had ended by itself."""
        if self._child.exit_code is not None:
            raise BenchError(f"the attacker ended by itself:\n{tail(self._log)}")
        self._child.process.terminate()
        self._child.process.wait(_SPARE_S)
        if not self._seen.exists():
            raise BenchError(f"the attacker did not say what it saw:\n{tail(self._log)}")
        return msgspec.json.decode(self._seen.read_bytes(), type=Seen)

    def stop(self) -> None:
        """End the process whatever it does."""
        self._child.stop(timeout_s=1.0)
