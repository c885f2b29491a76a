"""Guilder's command line. Each verb is a module of this package with a Typer `app`, imported only when it is called.

Start reading at `up`, which composes what `bootstrap.local_stack` runs; `connection` is how every other verb finds the
installation it talks to.
"""

import sys
from importlib import import_module
from typing import Any, Final

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup
from typer.main import get_command

from bootstrap.cli.refusals import refusal_in
from bootstrap.settings import SettingMissing

VERBS: Final = {
    "up": "bootstrap.cli.up",
    "down": "bootstrap.cli.down",
    "status": "bootstrap.cli.status",
    "logs": "bootstrap.cli.logs",
    "demo": "bootstrap.cli.demo",
    "bench": "bootstrap.cli.bench",
    "merchant": "bootstrap.cli.merchant",
    "ledger": "bootstrap.cli.ledger",
    "dead-letters": "bootstrap.cli.dead_letters",
    "run": "bootstrap.cli.run",
    "migrate": "bootstrap.cli.migrate",
    "test": "bootstrap.cli.test",
    "check": "bootstrap.cli.check",
    "coverage": "bootstrap.cli.coverage",
    "audit": "bootstrap.cli.audit",
    "version": "bootstrap.cli.version",
}
"""Verb → module; in the order of the help text."""

MISUSED: Final = 2


class VerbGroup(TyperGroup):
    """The verbs, each imported when it is asked for, so that `guilder status` does not wait for a web framework."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the framework's signature
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the framework's signature
        if cmd_name not in VERBS:
            return None
        command = get_command(import_module(VERBS[cmd_name]).app)
        command.name = cmd_name
        return command


application = typer.Typer(
    name="guilder",
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Guilder, a payments platform whose every state is a fold of one replayable log.",
)


@application.callback()
def guilder() -> None:
    """Guilder, a payments platform whose every state is a fold of one replayable log."""


def main() -> None:
    """Run the command line; an expected failure is one sentence and exit code 1, a wrong setting exit code 2."""
    try:
        application(prog_name="guilder")
    except SettingMissing as error:
        complain(str(error))
        sys.exit(MISUSED)
    except ValidationError as error:
        for wrong in wrong_settings(error):
            complain(wrong)
        sys.exit(MISUSED)
    except Exception as error:
        sentence = refusal_in(error)
        if sentence is None:
            raise
        complain(sentence)
        sys.exit(1)


def wrong_settings(error: ValidationError) -> list[str]:
    """A sentence for each setting that is wrong, by its variable's name; never its value, which may be a secret."""
    return [
        f"GUILDER_{'__'.join(map(str, wrong['loc'])).upper()} is wrong: {wrong['msg']}"
        for wrong in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def complain(sentence: str) -> None:
    """Tell the operator what went wrong, on standard error."""
    Console(stderr=True, highlight=False).print(f"[red]guilder:[/red] {escape(sentence)}", soft_wrap=True)
