"""The command line against one database, and what the log then says of a merchant."""

import asyncio
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from aggregates.merchant import Merchant
from bootstrap.cli import application
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.identifiers import Prefix, parse_public_id


class Shell:
    """Runs `guilder …` against one database."""

    def __init__(self, dsn: str, home: str) -> None:
        self.environment = {"GUILDER_POSTGRES__DSN": dsn, "GUILDER_HOME": home}

    def run(self, *arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(application, arguments, env=self.environment, prog_name="guilder")
        return result.exit_code, result.stdout, result.stderr

    def json(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        return msgspec.json.decode(out)


def merchant_of(dsn: str, public: str) -> Merchant:
    async def found() -> Merchant:
        store = await EventStore.open(StoreOptions(dsn=dsn))
        try:
            return await MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS).find(parse_public_id(Prefix.MERCHANT, public))
        finally:
            await store.close()

    return asyncio.run(found())


@pytest.fixture
def shell(database: str, tmp_path: Any) -> Shell:
    return Shell(database, str(tmp_path))
