"""A second relay, projector and saga beside the installation's own, as where two machines share the work."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bootstrap.local_stack.guilder_service import GuilderService
from bootstrap.local_stack.plan import SIMULATOR_KEY_FILE
from bootstrap.local_stack.ports import choose
from bootstrap.local_stack.roster import PROJECTOR, RELAY, SAGA, GuilderProcess
from bootstrap.local_stack.supervised import Supervised
from tests.campaign.installation import Installation

PROCESSES = (RELAY, PROJECTOR, SAGA)
LOOK_EVERY_S = 0.2


class Spare(GuilderService):
    """Supervised for its life alone: asking for its health would hold up the load."""

    def is_ready(self) -> bool:
        return True


@asynccontextmanager
async def spares(installation: Installation) -> AsyncIterator[None]:
    """Keep them running, also when what they need is killed, for as long as the context lasts."""
    supervised = [Supervised(_spare(installation, process), lambda _: None) for process in PROCESSES]
    watching = asyncio.create_task(_watch(supervised))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        children = [(each.child, each.service.stop_within_s) for each in supervised if each.child is not None]
        for child, _ in children:
            child.ask_to_stop()
        for child, timeout_s in children:
            await asyncio.to_thread(child.stop, timeout_s=timeout_s)


async def _watch(supervised: list[Supervised]) -> None:
    while True:
        for each in supervised:
            each.tick(time.monotonic())
        await asyncio.sleep(LOOK_EVERY_S)


def _spare(installation: Installation, process: GuilderProcess) -> Spare:
    port = choose([])
    environment = {
        **installation.environment,
        "GUILDER_OPS__PORT": str(port),
        "GUILDER_PSP_SIMULATOR__KEY": (installation.home / SIMULATOR_KEY_FILE).read_text(encoding="ascii"),
    }
    log_path = installation.home / "logs" / f"second_{process.name}.log"
    return Spare(process=process, port=port, environment=environment, log_path=log_path)
