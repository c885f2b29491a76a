"""How a verb finds the servers it talks to: named in the environment, or those of the running installation."""

from bootstrap.local_stack import LocalStackError, state
from bootstrap.settings import Settings


class NotRunningError(LocalStackError):
    """No server is named and none runs."""


def connected_settings(settings: Settings | None = None) -> Settings:
    """The settings with the DSN, the bootstrap servers and the simulator's URL of the running installation filled in.

    What the environment names wins. Raises NotRunningError when PostgreSQL is neither named nor running.
    """
    given = settings if settings is not None else Settings()
    running = state.load(given.home)
    dsn = given.postgres.dsn or running.postgres_dsn
    if dsn is None:
        raise NotRunningError("nothing runs here: start it by `guilder up`, or name a server in GUILDER_POSTGRES__DSN")
    bootstrap = given.kafka.bootstrap_servers or running.kafka_bootstrap
    simulator = {"url": running.psp_simulator} if running.psp_simulator is not None else {}
    return given.model_copy(
        update={
            "postgres": given.postgres.model_copy(update={"dsn": dsn}),
            "kafka": given.kafka.model_copy(update={"bootstrap_servers": bootstrap}),
            "psp_simulator": given.psp_simulator.model_copy(update=simulator),
        }
    )
