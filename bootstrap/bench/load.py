"""A load and what came of it: the values that go to the generator's process and come back from it."""

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
    count. With `keep_ids` the ids that the answers bear are handed back as subjects.
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
    keep_ids: bool = False


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load: `answers` are the 2xx of the `elapsed_s` that counted, latencies are in milliseconds.

    `generator_cpu` is the share of one core that the generator used while it counted. `refused` has every other status
    and how often it came, `first_refusal` the body of one.
    """

    answers: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    generator_cpu: float
    refused: dict[int, int] = {}
    first_refusal: str = ""
    subjects: tuple[Subject, ...] = ()

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
    folder.mkdir(parents=True, exist_ok=True)
    asked, answered, log_path = folder / "load.json", folder / "result.json", folder / "generator.log"
    asked.write_bytes(msgspec.json.encode(load))
    answered.unlink(missing_ok=True)
    generator = child.start(
        "generator", [sys.executable, "-m", GENERATOR, str(asked), str(answered)], log_path=log_path
    )
    try:
        generator.process.wait(load.warm_up_s + load.seconds + _SPARE_S)
    finally:
        generator.stop(timeout_s=1.0)
    if generator.exit_code != 0 or not answered.exists():
        raise BenchError(f"the generator ended with {generator.exit_code}:\n{tail(log_path)}")
    return checked(load, msgspec.json.decode(answered.read_bytes(), type=LoadResult))


def checked(load: Load, result: LoadResult) -> LoadResult:
    """`result` itself if it can stand for `load`; raises as `run_load` does."""
    if result.refused:
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(result.refused.items()))
        raise Refused(f"{load.method} {load.path} was answered {statuses}: {result.first_refusal}")
    if result.answers == 0:
        raise BenchError(f"{load.method} {load.path} got no answer within the time that counts")
    return result
