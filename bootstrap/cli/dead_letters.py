"""`guilder dead-letters`: what does not go on by itself, and another try for it."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import asyncpg
import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bootstrap.cli.connection import connected_settings
from bootstrap.cli.database import run_at
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.processes.connections import dsn_of
from processors.dead_letters import LISTED, DeadLetter, NoSuchLetter, dead_letters, find, redrive
from schemas.identifiers import Prefix, public_id
from schemas.timestamps import rfc3339

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List what needs a person, and let it go on.")

Result = TypeVar("Result")
_FAILED: Final = 1
_NOTHING: Final = "nothing is halted, failed or open"

_IDS: Final = {
    "case_id": ("case_id", Prefix.CASE),
    "stream_id": ("payment_intent_id", Prefix.PAYMENT_INTENT),
    "attempt_id": ("attempt_id", Prefix.ATTEMPT),
    "operation_id": ("operation_id", Prefix.OPERATION),
}
_TIMES: Final = frozenset({"since", "ready_at", "opened_at"})
_OF_ATTEMPTS: Final = frozenset({"call", "inquiry", "reversal"})

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def dead_letter_desk() -> None:
    """List what needs a person, and let it go on."""


@app.command("list")
def list_letters(*, as_json: AsJson = False) -> None:
    """Halted shards, failed steps and open cases."""
    letters = _with_pool(dead_letters)
    if as_json:
        _print_json([outwardly(letter) for letter in letters])
        return
    if not letters:
        Console().print(_NOTHING)
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # The next command takes the address as it stands here, so it stays whole, whatever the terminal's width.
    table.add_column("address", no_wrap=True, min_width=max(len(letter.address) for letter in letters))
    for heading in ("what", "since or again at", "why"):
        table.add_column(heading, overflow="fold")
    for letter in letters:
        table.add_row(letter.address, letter.kind, letter.at, escape(letter.why))
    Console().print(table, crop=False)
    kinds = [letter.kind for letter in letters]
    if any(kinds.count(kind) >= LISTED for kind in set(kinds)):
        Console().print(f"of failed steps and open cases only the first {LISTED} each are listed")


@app.command()
def show(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="As `list` prints it.")], *, as_json: AsJson = False
) -> None:
    """All that is known about one of them."""
    found: DeadLetter = _with_pool(lambda pool: find(pool, address))
    letter = outwardly(found)
    if as_json:
        _print_json(letter)
        return
    shown = {"address": letter.address, "kind": letter.kind, **letter.details}
    width = max(map(len, shown))
    for name, value in shown.items():
        # Not through Rich, which would wrap ids that are meant to be copied.
        sys.stdout.write(f"{name:<{width}}  {value}\n")


@app.command("redrive")
def redrive_letters(
    address: Annotated[list[str] | None, typer.Argument(metavar="ADDRESS", help="As `list` prints them.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that `list` shows.")] = False,
) -> None:
    """Let a halted shard go on, try a failed step again at once, or ask the PSP again about a case."""
    if bool(address) == everything:
        raise typer.BadParameter("name dead letters, or say --all")

    async def redrive_each(pool: Any) -> dict[str, str]:
        wanted = address or [letter.address for letter in await dead_letters(pool)]
        return {each: await _redriven(pool, each, listed=everything) for each in wanted}

    redriven = _with_pool(redrive_each)
    if not redriven:
        sys.stdout.write(f"{_NOTHING}\n")
    for each, what_came in redriven.items():
        sys.stdout.write(f"{each}  {what_came}\n")


async def _redriven(pool: Any, address: str, *, listed: bool) -> str:
    """What came of redriving one; what was `listed` a moment ago may have been settled since."""
    try:
        begun = await redrive(pool, address, now_ms=SYSTEM_CLOCK.now_ms())
    except NoSuchLetter:
        if not listed:
            raise
        return "is settled already"
    return "redriven" if begun else "is under way already"


def outwardly(letter: DeadLetter) -> DeadLetter:
    """The same letter with its details as the API spells them: public ids, and times as RFC 3339."""
    shown: dict[str, Any] = {}
    for name, value in letter.details.items():
        if name in _IDS and value is not None:
            outside, prefix = _IDS[name]
            shown[outside] = public_id(prefix, UUID(value))
        elif name == "subject" and letter.details["kind"] in _OF_ATTEMPTS:
            shown["attempt_id"] = public_id(Prefix.ATTEMPT, UUID(value))
        elif name in _TIMES:
            shown[name] = rfc3339(value)
        else:
            shown[name] = value
    return msgspec.structs.replace(letter, details=shown)


def _with_pool(work: Callable[[Any], Awaitable[Result]]) -> Result:
    """What `work` does with connections to the running installation's database, as the service's role."""
    dsn = dsn_of(connected_settings())

    async def connected() -> Result:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1, server_settings={"role": "guilder_app"}) as pool:
            return await work(pool)

    try:
        return run_at(dsn, connected)
    except NoSuchLetter as error:
        Console(stderr=True, highlight=False, markup=False).print(f"guilder: {error}", soft_wrap=True)
        raise typer.Exit(_FAILED) from None


def _print_json(found: Any) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
