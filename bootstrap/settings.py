"""Settings of every Guilder process, read from the environment (`GUILDER_…`, nested by `__`) and from `.env`.

`.env.example` shows each one; a test holds the two together.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class SettingMissing(Exception):
    """A process was started without a setting that it cannot do without."""


class PostgresSettings(BaseModel):
    """Which PostgreSQL (15 or newer) holds the log; without a DSN the local stack starts one.

    `direct_dsn` leads to the same one past any pooler: the relay's locks live as long as the session that took them.
    """

    model_config = ConfigDict(extra="forbid")

    dsn: str | None = None
    direct_dsn: str | None = None


class KafkaSettings(BaseModel):
    """Which Kafka carries the log; without bootstrap servers (`host:port`, comma-separated) the local stack starts one.

    The replicas are those of the topic when it is made: 3 and 2 in production, 1 and 1 on a single broker.
    """

    model_config = ConfigDict(extra="forbid")

    bootstrap_servers: str | None = None
    replication_factor: Annotated[int, Field(ge=1, le=32767)] = 1
    min_insync_replicas: Annotated[int, Field(ge=1, le=32767)] = 1


class StoreSettings(BaseModel):
    """What a process that writes to the log keeps of it in memory: `cached_bytes` of streams as they stand in the log.

    An event of the usual 400 bytes takes about 2 KiB in memory. 0 keeps nothing.
    """

    model_config = ConfigDict(extra="forbid")

    cached_bytes: Annotated[int, Field(ge=0)] = 24 * 1024 * 1024


class HttpLimits(BaseModel):
    """What clients may occupy of a server, and for how long (seconds); each limit has its code in the API's document.

    A request's head is its line and its header fields. An idle connection is kept longer than clients and load
    balancers keep theirs (mostly 60 s), so that it is never the server that closes one just as a request is sent on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: Annotated[int, Field(ge=1)] = 10_000
    max_head_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024
    max_headers: Annotated[int, Field(ge=10)] = 100
    max_pipelined: Annotated[int, Field(ge=1)] = 16
    head_within_s: Annotated[float, Field(gt=0)] = 10
    request_within_s: Annotated[float, Field(gt=0)] = 30
    answer_taken_within_s: Annotated[float, Field(gt=0)] = 30
    keep_alive_s: Annotated[float, Field(gt=0)] = 75


class ApiSettings(BaseModel):
    """Where the HTTP API listens, and what it takes from its clients.

    `max_invalid_per_s` is how many requests of one merchant a process answers whose fields are not valid.
    """

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: Port = 8080
    limits: HttpLimits = HttpLimits()
    max_invalid_per_s: Annotated[float, Field(gt=0)] = 100


class OpsSettings(BaseModel):
    """Where a process without an API of its own serves `/health` and `/metrics`; no port means that process's default."""

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: Port | None = None


class OperatorSettings(BaseModel):
    """The operator's key is never stored: only its SHA-256, in lower-case hex. None: no operator may call the API."""

    model_config = ConfigDict(extra="forbid")

    key_sha256: Sha256Hex | None = None


class PspSimulatorSettings(BaseModel):
    """Where the saga finds the PSP simulator, and the key it calls it with; `guilder up` makes a key by itself."""

    model_config = ConfigDict(extra="forbid")

    url: str = "http://127.0.0.1:8090"
    key: str | None = None


class TelemetrySettings(BaseModel):
    """`sampled` is the share of requests that leave a trace, 0 … 1; the traces lie beside the logs.

    `otlp_endpoint` is the address of an OpenTelemetry collector (OTLP over HTTP, `http://host:4318`) that gets the
    spans too.
    """

    model_config = ConfigDict(extra="forbid")

    sampled: Annotated[float, Field(ge=0, le=1)] = 0.0
    otlp_endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+(/\S*)?$")] | None = None


class Settings(BaseSettings):
    """All settings of one process.

    `shards` is fixed when an installation is created: a process whose number differs from the database's refuses to
    start. `delay_scale` multiplies every delay of the saga (retries, inquiries, expiry, availability): 1 in
    production, 0.01 in a test that must not wait.
    """

    model_config = SettingsConfigDict(
        env_prefix="GUILDER_",
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        frozen=True,
        # An empty value in `.env` means "not set", as it does in a shell's `${VAR:-default}`.
        env_ignore_empty=True,
    )

    home: Path = Path(".guilder")
    cache: Path | None = None
    shards: Annotated[int, Field(ge=1, le=4096)] = 16
    delay_scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    postgres: PostgresSettings = PostgresSettings()
    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    api: ApiSettings = ApiSettings()
    ops: OpsSettings = OpsSettings()
    operator: OperatorSettings = OperatorSettings()
    psp_simulator: PspSimulatorSettings = PspSimulatorSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
