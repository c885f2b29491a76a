"""A supervisor of PostgreSQL, Kafka and the PSP simulator alone, run as a process by the tests beside it."""

import sys

from bootstrap.local_stack.plan import NamedStep, Plan
from bootstrap.local_stack.roster import PSP_SIMULATOR
from bootstrap.local_stack.supervisor import Supervisor
from bootstrap.settings import Settings


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    plan = Plan(
        settings=Settings(),
        roster=[PSP_SIMULATOR],
        set_up=lambda settings: [NamedStep("note", lambda: say(f"set up {settings.postgres.dsn}"))],
        finish=lambda settings: [NamedStep("note", lambda: say(f"finished {settings.psp_simulator.url}"))],
    )
    Supervisor(plan=plan, report=say).run()
