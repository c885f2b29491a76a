"""What the processes behind the log hand to the frame that serves them."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bootstrap.processes import projector, relay, saga
from bootstrap.settings import KafkaSettings, OpsSettings, PostgresSettings, PspSimulatorSettings, Settings


@pytest.mark.parametrize("process", [relay, projector, saga], ids=lambda module: module.__name__.rpartition(".")[2])
async def test_health_is_served_where_the_settings_say(
    process: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, str, Settings]] = []

    async def serve(_name: str, port: int, *_: Any, ops_host: str, settings: Settings, **__: Any) -> None:
        told.append((port, ops_host, settings))

    monkeypatch.setattr(process, "serve", serve)
    # It opens its connections at once, and whoever serves it closes them.
    monkeypatch.setattr(saga, "SimulatorPsp", lambda _options: None)
    settings = Settings(
        home=tmp_path,
        postgres=PostgresSettings(dsn="postgresql://elsewhere/guilder"),
        kafka=KafkaSettings(bootstrap_servers="elsewhere:9092"),
        ops=OpsSettings(host="127.0.0.2", port=9_999),
        psp_simulator=PspSimulatorSettings(key="psp_a_key_of_the_tests"),
    )
    await process.run(settings)
    assert told == [(9_999, "127.0.0.2", settings)]
