"""Settings, and the example file that shows them."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from bootstrap.cli import wrong_settings
from bootstrap.processes import relay
from bootstrap.processes.connections import store_options, topic_of
from bootstrap.settings import Settings
from event_store import StoreOptions
from processors.topics import TopicOptions

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("GUILDER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def variables(model: type[BaseModel], prefix: str = "GUILDER_") -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= variables(field.annotation, f"{prefix}{name.upper()}__")
        else:
            names.add(f"{prefix}{name.upper()}")
    return names


def example_lines() -> dict[str, str]:
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    names = [line.partition("=")[0] for line in lines]
    assert sorted(set(names)) == sorted(names), "the example holds a setting twice"
    return dict(line.split("=", 1) for line in lines)


def test_the_example_names_every_setting_and_no_other() -> None:
    assert set(example_lines()) == variables(Settings)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    from_example = Settings()
    (tmp_path / ".env").unlink()
    assert from_example == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GUILDER_SHARDS=4\nGUILDER_API__PORT=8001\n", encoding="utf-8")
    monkeypatch.setenv("GUILDER_SHARDS", "8")
    settings = Settings()
    assert (settings.shards, settings.api.port) == (8, 8001)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUILDER_SHARDS", "0"),
        ("GUILDER_SHARDS", "4097"),
        ("GUILDER_DELAY_SCALE", "0"),
        ("GUILDER_API__PORT", "70000"),
        ("GUILDER_API__LIMITS__MAX_HEADERS", "9"),
        ("GUILDER_STORE__CACHED_BYTES", "-1"),
        ("GUILDER_STORE__CACHED_BYTES", "24 MiB"),
        ("GUILDER_OPERATOR__KEY_SHA256", "gk_live_a_key_instead_of_its_hash"),
        ("GUILDER_KAFKA__BOOTSTRAP", "a name that does not exist"),
    ],
)
def test_a_wrong_value_is_refused_by_its_variables_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    [said] = wrong_settings(refused.value)
    assert said.startswith(f"{name} is wrong: ")


def test_a_store_is_opened_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDER_POSTGRES__DSN", "postgresql://h/d")
    assert store_options(Settings()) == StoreOptions(dsn="postgresql://h/d", shards=16)
    monkeypatch.setenv("GUILDER_STORE__CACHED_BYTES", "4096")
    assert store_options(Settings()).cached_bytes == 4096


def test_the_topic_is_made_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDER_SHARDS", "8")
    monkeypatch.setenv("GUILDER_KAFKA__REPLICATION_FACTOR", "3")
    monkeypatch.setenv("GUILDER_KAFKA__MIN_INSYNC_REPLICAS", "2")
    assert topic_of(Settings()) == TopicOptions(
        name="payments.events.v1", partitions=8, replication_factor=3, min_insync_replicas=2
    )


def test_the_relays_locks_go_past_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDER_POSTGRES__DSN", "postgresql://pooler/d")
    monkeypatch.setenv("GUILDER_KAFKA__BOOTSTRAP_SERVERS", "k:9092")
    assert relay.options_of(Settings()).direct_dsn is None
    monkeypatch.setenv("GUILDER_POSTGRES__DIRECT_DSN", "postgresql://direct/d")
    options = relay.options_of(Settings())
    assert (options.dsn, options.direct_dsn) == ("postgresql://pooler/d", "postgresql://direct/d")
