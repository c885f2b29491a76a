"""Authorizing what was created before: load, decide, append, and answer without waiting for the PSP."""

from typing import Final

from bootstrap.bench.create import JSON_HEADERS
from bootstrap.bench.created_intents import CreatedIntents
from bootstrap.bench.load import Load
from bootstrap.bench.loaded_server import LoadedServer
from bootstrap.bench.row import Measured

PATH: Final = "/v1/payment_intents/{id}/authorize"
BODY: Final = '{"payment_method":{"type":"card","token":"tok_ok"}}'


class AuthorizeRow:
    """Each intent of this round's creates once, the oldest first, until they or the time run out."""

    name = "authorize"

    def __init__(self, server: LoadedServer, created: CreatedIntents, *, seconds: float, warm_up_s: float) -> None:
        self._server = server
        self._created = created
        self._seconds = seconds
        self._warm_up_s = warm_up_s

    def measure(self, number: int) -> Measured:
        result, cpu = self._server.drive(
            Load(
                port=self._server.port,
                method="POST",
                path=PATH,
                headers=(*JSON_HEADERS, ("Prefer", "wait=0")),
                body=BODY,
                bearers=self._server.bearers,
                subjects=self._created.since_mark(),
                seconds=self._seconds,
                warm_up_s=self._warm_up_s,
                run=f"authorize-{number}",
                idempotent=True,
            )
        )
        return Measured.of(result, cpu)
