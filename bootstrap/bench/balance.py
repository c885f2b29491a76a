"""A merchant's balance, read from the ledger's live generation."""

from typing import Final

from bootstrap.bench.load import Load
from bootstrap.bench.loaded_server import LoadedServer
from bootstrap.bench.row import Measured

PATH: Final = "/v1/balances"


class BalanceRow:
    """Each merchant asks in turn."""

    name = "balance"

    def __init__(self, server: LoadedServer, *, seconds: float, warm_up_s: float) -> None:
        self._server = server
        self._seconds = seconds
        self._warm_up_s = warm_up_s

    def measure(self, number: int) -> Measured:
        result, cpu = self._server.drive(
            Load(
                port=self._server.port,
                method="GET",
                path=PATH,
                headers=(("Accept", "application/json"),),
                bearers=self._server.bearers,
                seconds=self._seconds,
                warm_up_s=self._warm_up_s,
                run=f"balance-{number}",
            )
        )
        return Measured.of(result, cpu)
