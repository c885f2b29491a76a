"""A load and what came of it: the values that go to the generator's process and come back from it."""

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from bootstrap.bench import BenchError
from bootstrap.local_stack import child
from bootstrap.local_stack.servers import tail

CONNECTIONS: Final = 64
BUSY_SHARE: Final = 0.8
"""A generator that uses more of a core than this may itself be what is measured."""
GENERATOR: Final = "bootstrap.bench.generator"
OURS: Final = "guilder's own"
_SPARE_S: Final = 60.0


class Subject(msgspec.Struct, frozen=True):
    """What one request is about: an id for the path, and which of the load's bearers it belongs to."""

    bearer: int
    id: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one kind over keep-alive connections to `127.0.0.1:port`.

    Closed loop (`rate` null): each connection sends its next request when the last is answered. Paced: `rate` requests
    a second fall due whatever the answers do, and latency counts from when they fell due. `bearers` take turns. Where
    `path` contains `{id}`, each of `subjects` is used once and the load ends early when none is left. With
    `idempotent`, each request bears a key of its own that begins with `run`. The first `warm_up_s` seconds do not
    count.
    """

    port: int
    method: str
    path: str
    seconds: float
    run: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    bearers: tuple[str, ...] = ("",)
    subjects: tuple[Subject, ...] = ()
    connections: int = CONNECTIONS
    warm_up_s: float = 0.0
    rate: float | None = None
    idempotent: bool = False


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load: `answers` are the 2xx of the `elapsed_s` that counted, latencies are in milliseconds.

    `generator` says which program it was and `generator_cpu` the share of one core that it used. `refused` has every
    other status and how often it came, `first_refusal` the body of one.
    """

    answers: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    generator_cpu: float
    refused: dict[int, int] = {}
    first_refusal: str = ""
    generator: str = OURS

    @property
    def per_second(self) -> float:
        return self.answers / self.elapsed_s


class Refused(BenchError):
    """The server answered otherwise than 2xx, so the figures would be of something else."""


def run_load(load: Load, folder: Path) -> LoadResult:
    """Drive `load` from a process of its own, with its files in `folder`.

    Raises:
        Refused: an answer was not 2xx.
        BenchError: the generator failed, took too long, or got no answer that counts.
    """
    answer = run_program(GENERATOR, msgspec.json.encode(load), folder, load.warm_up_s + load.seconds)
    return checked(load, msgspec.json.decode(answer, type=LoadResult))


def run_program(module: str, asked: bytes, folder: Path, seconds: float) -> bytes:
    """Run one of the bench's own clients, which takes about `seconds`, on what is `asked`; what it answered.

    Raises:
        BenchError: it failed, or took a minute longer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked_path, answered, log_path = folder / "load.json", folder / "result.json", folder / "generator.log"
    asked_path.write_bytes(asked)
    answered.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, str(asked_path), str(answered)]
    program = child.start("generator", command, log_path=log_path)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.process.wait(seconds + _SPARE_S)
    finally:
        program.stop(timeout_s=1.0)
    if program.exit_code != 0 or not answered.exists():
        raise BenchError(f"{module} ended with {program.exit_code}:\n{tail(log_path)}")
    return answered.read_bytes()


def checked(load: Load, result: LoadResult) -> LoadResult:
    """`result` itself if it can stand for `load`; raises as `run_load` does."""
    if result.refused:
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(result.refused.items()))
        raise Refused(f"{load.method} {load.path} was answered {statuses}: {result.first_refusal}")
    if result.answers == 0:
        raise BenchError(f"{load.method} {load.path} got no answer within the time that counts")
    return result
