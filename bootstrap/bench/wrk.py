"""`wrk` as the generator, where it is installed: a program in C that everybody knows, and that costs less of a core.

It drives closed loops of whole seconds. What it cannot give, a rate to keep or parts of a second, the bench's own
generator does.
"""

import contextlib
import shutil
import subprocess
from math import ceil
from pathlib import Path
from typing import Final

import msgspec

from bootstrap.bench import BenchError
from bootstrap.bench.load import Load, LoadResult, Refused, Subject
from bootstrap.bench.wire import parts_of
from bootstrap.local_stack import child
from bootstrap.local_stack.ports import LOOPBACK
from bootstrap.local_stack.servers import tail

NAME: Final = "wrk"
SCRIPT: Final = Path(__file__).with_name("wrk.lua")
_SPARE_S: Final = 30.0
_LEAST_SECONDS: Final = 1.0


class WrkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `wrk.lua` says at the end; `refused` are answers above 399, `broken` connections that failed.

    `cpu_us` is what wrk itself used of a core since it was started.
    """

    answers: int
    took_us: int
    p50_us: int
    p99_us: int
    refused: int
    broken: int
    cpu_us: int


def find_wrk() -> Path | None:
    """The one on the PATH."""
    found = shutil.which(NAME)
    return None if found is None else Path(found)


def can_drive(load: Load) -> bool:
    """Whether `load` is of the kind that wrk knows."""
    return load.rate is None and load.seconds >= _LEAST_SECONDS and load.seconds.is_integer()


def run_wrk(program: Path, load: Load, folder: Path) -> LoadResult:
    """Drive `load`; its warm-up is a run of its own before the one that counts, of whole seconds too.

    Raises:
        Refused: an answer was no success.
        BenchError: wrk failed, or a connection did.
    """
    folder.mkdir(parents=True, exist_ok=True)
    warm_up_s = ceil(load.warm_up_s)
    first, rest = _shared_out(load.subjects, warm_up_s / (warm_up_s + load.seconds))
    if warm_up_s:
        before = msgspec.structs.replace(load, seconds=warm_up_s, run=f"{load.run}-before", subjects=first)
        _run(program, before, folder)
    return _run(program, msgspec.structs.replace(load, subjects=rest), folder)


def _shared_out(subjects: tuple[Subject, ...], share: float) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    cut = int(len(subjects) * share)
    return subjects[:cut], subjects[cut:]


def _run(program: Path, load: Load, folder: Path) -> LoadResult:
    arguments = [str(folder / "parts.lua")]
    (folder / "parts.lua").write_text(_lua_table(load), encoding="ascii")
    if "{id}" in load.path:
        arguments.append(str(folder / "subjects"))
        (folder / "subjects").write_text("".join(f"{each.bearer} {each.id}\n" for each in load.subjects))
    log_path = folder / "wrk.log"
    log_path.unlink(missing_ok=True)
    command = [str(program), "-t1", f"-c{load.connections}", f"-d{load.seconds:.0f}s", "--timeout", "20s"]
    command += ["-s", str(SCRIPT), f"http://{LOOPBACK}:{load.port}/", "--", *arguments]
    running = child.start(NAME, command, log_path=log_path)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(load.seconds + _SPARE_S)
    finally:
        running.stop(timeout_s=1.0)
    if running.exit_code != 0:
        raise BenchError(f"wrk ended with {running.exit_code}:\n{tail(log_path)}")
    return _result(load, parse_answer(log_path.read_text(encoding="utf-8")))


def parse_answer(output: str) -> WrkAnswer:
    """The last line that wrk has written.

    Raises:
        BenchError: it is none of ours.
    """
    lines = output.strip().splitlines()
    try:
        return msgspec.json.decode(lines[-1] if lines else "", type=WrkAnswer)
    except msgspec.DecodeError as error:
        raise BenchError(f"wrk does not say what came of it ({error}):\n{output}") from error


def _result(load: Load, answer: WrkAnswer) -> LoadResult:
    if answer.refused:
        raise Refused(f"{load.method} {load.path} was refused {answer.refused} times of {answer.answers}")
    if answer.broken:
        raise BenchError(f"{load.method} {load.path}: {answer.broken} connections failed or were not answered")
    if answer.answers == 0:
        raise BenchError(f"{load.method} {load.path} got no answer within the time that counts")
    return LoadResult(
        answers=answer.answers,
        elapsed_s=answer.took_us / 1_000_000,
        p50_ms=answer.p50_us / 1000,
        p99_ms=answer.p99_us / 1000,
        generator_cpu=answer.cpu_us / answer.took_us,
        generator=NAME,
    )


def _lua_table(load: Load) -> str:
    parts = parts_of(load)
    middles = ", ".join(map(_lua_string, parts.middles))
    return (
        f"return {{start = {_lua_string(parts.start)}, middles = {{{middles}}}, key = {_lua_string(parts.key)}, "
        f"finish = {_lua_string(parts.end)}}}\n"
    )


def _lua_string(text: bytes) -> str:
    """A Lua string of exactly these bytes."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'
