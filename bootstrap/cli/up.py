"""`guilder up`: everything an installation needs, in one command."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from bootstrap.cli.demo_merchant import ensure_demo_merchant, load_demo
from bootstrap.cli.progress import StepDisplay
from bootstrap.local_stack import child, state
from bootstrap.local_stack.plan import NamedStep, Plan
from bootstrap.local_stack.roster import ROSTER
from bootstrap.local_stack.servers import ServerFailedError, tail
from bootstrap.local_stack.state import InstallationState
from bootstrap.local_stack.supervisor import Supervisor
from bootstrap.settings import Settings

app = typer.Typer(add_completion=False)
POLL_S: Final = 0.1
COMPLAINT: Final = "guilder: "
"""What begins the sentence that a verb ends with."""


@app.command()
def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once all is healthy.")] = False,
    servers_only: Annotated[bool, typer.Option("--servers-only", help="PostgreSQL and Kafka alone.")] = False,
    # Named unlike the others, for a mistyped option is answered with those that look like it, hidden ones too.
    as_supervisor: Annotated[
        bool, typer.Option("--as-supervisor", hidden=True, help="This is the process that `--detach` started.")
    ] = False,
) -> None:
    """Start PostgreSQL, Kafka, the PSP simulator and all of Guilder; Ctrl-C or `guilder down` ends them."""
    settings = Settings()
    console = Console(highlight=False)
    running = state.load(settings.home)
    if running.supervisor_is_alive and (running.ready or not detach):
        console.print("already running")
        console.print("settings that were changed since take effect once `guilder down` has ended it", soft_wrap=True)
        print_what_to_try(console, settings.home, running)
        return
    state.make(settings.home)
    if detach:
        start_detached(console, settings, servers_only=servers_only)
    else:
        supervise(console, settings, servers_only=servers_only, discreet=as_supervisor)


def supervise(console: Console, settings: Settings, *, servers_only: bool, discreet: bool) -> None:
    """Be the supervisor until a signal comes; `discreet` where what is printed goes to a log, which gets no keys."""
    plan = Plan(
        settings=settings,
        roster=() if servers_only else ROSTER,
        set_up=(lambda _settings: ()) if servers_only else set_up_steps,
        finish=(lambda _settings: ()) if servers_only else finishing_steps,
    )
    told = False

    def show(current: InstallationState) -> None:
        nonlocal told
        display.show(current)
        if current.ready and not told and not discreet:
            told = True
            display.close()
            print_what_to_try(console, plan.home, current)
            console.print("Ctrl-C ends it all.")

    with StepDisplay(console) as display:
        Supervisor(plan=plan, on_change=show, report=display.tell).run()
    console.print("all is ended")


def set_up_steps(settings: Settings) -> Sequence[NamedStep]:
    """What has to be there before Guilder's processes start."""
    return [
        NamedStep("migrations", lambda: migrate(settings)),
        NamedStep("topic", lambda: asyncio.run(make_topic(settings))),
    ]


def finishing_steps(settings: Settings) -> Sequence[NamedStep]:
    """What is done once they are healthy."""
    from bootstrap.demo.seed import seed

    return [NamedStep("demo merchant", lambda: asyncio.run(ensure_demo_merchant(settings, seed)))]


def migrate(settings: Settings) -> None:
    """Bring the database to the newest version."""
    from bootstrap.cli.database import run_at
    from migrations import migrate as apply_migrations

    dsn = settings.postgres.dsn
    assert dsn is not None
    run_at(dsn, lambda: apply_migrations(dsn, shards=settings.shards))


async def make_topic(settings: Settings) -> None:
    """Make the log's topic, one partition a shard."""
    from bootstrap.cli.kafka import kafka_at
    from bootstrap.processes.connections import bootstrap_servers_of, topic_of
    from processors.topics import ensure_topic

    servers = bootstrap_servers_of(settings)
    with kafka_at(servers):
        await ensure_topic(servers, topic_of(settings))


def start_detached(console: Console, settings: Settings, *, servers_only: bool) -> None:
    """Start a supervisor that outlives this command, and show its progress until all is healthy."""
    home = settings.home.resolve()
    log_path = home / "logs" / "supervisor.log"
    command = [
        sys.executable,
        "-m",
        "bootstrap.cli",
        "up",
        "--as-supervisor",
        *(["--servers-only"] if servers_only else []),
    ]
    running = state.load(home)
    supervisor = (
        None
        if running.supervisor_is_alive
        else child.start("supervisor", command, log_path=log_path, outlives_parent=True, environment=os.environ)
    )
    with StepDisplay(console) as display:
        while True:
            current = state.load(home)
            ours = supervisor is None or (current.supervisor is not None and current.supervisor.pid == supervisor.pid)
            if ours:
                display.show(current)
            if ours and current.ready:
                break
            gone = supervisor.exit_code is not None if supervisor is not None else not current.supervisor_is_alive
            if gone and supervisor is not None and state.load(home).supervisor_is_alive:
                supervisor = None  # somebody else was quicker to start one: that is the one to wait for
            elif gone:
                raise ServerFailedError(why_it_ended(log_path))
            time.sleep(POLL_S)
    print_what_to_try(console, home, current)
    console.print("`guilder status` shows how it does, `guilder down` ends it.")


def why_it_ended(log_path: Path) -> str:
    """The one sentence that a supervisor refused to start with, else the end of its log."""
    last = tail(log_path, 1)
    if last.startswith(COMPLAINT):
        return last.removeprefix(COMPLAINT)
    return f"it could not be started; {log_path} ends so:\n{tail(log_path)}"


def print_what_to_try(console: Console, home: Path, current: InstallationState) -> None:
    """Addresses, and commands that work as they are printed."""
    for name, port in current.replaced_ports.items():
        console.print(f"  port {port} was in use, so {name} answers on {current.ports[name]}")
    console.print(
        f"\n  PostgreSQL     {current.postgres_dsn}\n  Kafka          {current.kafka_bootstrap}", soft_wrap=True
    )
    if current.api is None:
        return
    console.print(f"  PSP simulator  {current.psp_simulator}")
    console.print(f"  API            {current.api}  (reference: {current.api}/docs)", soft_wrap=True)
    demo = load_demo(home)
    if demo is None:
        return
    authorization = f"-H 'Authorization: Bearer {demo.api_key}'"
    console.print("\nTry a payment, then look at it:\n", style="bold")
    print(  # not through Rich, which would wrap what is meant to be copied
        f"  curl -s {current.api}/v1/payment_intents {authorization} \\\n"
        f"    -H 'Content-Type: application/json' -H \"Idempotency-Key: try-$(date +%s)\" \\\n"
        '    -d \'{"amount": 1999, "currency": "EUR", "authorize": true, "capture_method": "automatic",'
        ' "payment_method": {"type": "card", "token": "tok_ok"}}\'\n\n'
        f"  curl -s {current.api}/v1/payment_intents {authorization}\n\n"
        f"  curl -s {current.api}/v1/balances {authorization}\n"
    )
