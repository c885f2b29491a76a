"""Creating payment intents over HTTP: the request of the echo, of the durable create, and of one transaction each."""

from typing import Final

import msgspec

from bootstrap.bench.created_intents import CreatedIntents
from bootstrap.bench.load import Load
from bootstrap.bench.loaded_server import LoadedServer
from bootstrap.bench.row import Measured

PACED_SHARE: Final = 0.6
PATH: Final = "/v1/payment_intents"
BODY: Final = (
    '{"amount":1999,"currency":"EUR","capture_method":"automatic","reference":"order-2026-000017",'
    '"statement_descriptor":"ALPENHAUS","metadata":{"cart":"c-48151623","channel":"web"}}'
)
JSON_HEADERS: Final = (("Content-Type", "application/json"), ("Accept", "application/json"))


def create_load(server: LoadedServer, *, seconds: float, warm_up_s: float, run: str) -> Load:
    """Creates by all merchants in turn, each under a key of its own; the same bytes whoever is asked."""
    return Load(
        port=server.port,
        method="POST",
        path=PATH,
        headers=JSON_HEADERS,
        body=BODY,
        bearers=server.bearers,
        seconds=seconds,
        warm_up_s=warm_up_s,
        run=run,
        idempotent=True,
    )


class CreateRow:
    """Creates in a closed loop; `per_second` is the last round's rate, and `created` is told when a round begins."""

    def __init__(
        self,
        name: str,
        server: LoadedServer,
        *,
        seconds: float,
        warm_up_s: float,
        created: CreatedIntents | None = None,
    ) -> None:
        self.name = name
        self.per_second = 0.0
        self._server = server
        self._seconds = seconds
        self._warm_up_s = warm_up_s
        self._created = created

    def measure(self, number: int) -> Measured:
        if self._created is not None:
            self._created.mark()
        load = create_load(self._server, seconds=self._seconds, warm_up_s=self._warm_up_s, run=f"create-{number}")
        result, cpu = self._server.drive(load)
        self.per_second = result.per_second
        return Measured.of(result, cpu)


class PacedRow:
    """Creates at 60 % of what this round's closed loop gave, whatever the answers do; latency counts from when due."""

    def __init__(
        self, name: str, server: LoadedServer, creates: CreateRow, *, seconds: float, warm_up_s: float
    ) -> None:
        self.name = name
        self._server = server
        self._creates = creates
        self._seconds = seconds
        self._warm_up_s = warm_up_s

    def measure(self, number: int) -> Measured:
        rate = PACED_SHARE * self._creates.per_second
        load = create_load(self._server, seconds=self._seconds, warm_up_s=self._warm_up_s, run=f"paced-{number}")
        result, cpu = self._server.drive(msgspec.structs.replace(load, rate=rate))
        return msgspec.structs.replace(Measured.of(result, cpu), asked_per_second=rate)
