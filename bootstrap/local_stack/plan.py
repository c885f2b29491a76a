"""What one `guilder up` runs: which servers, which processes, on which ports, with which environment."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bootstrap.clock import random_bytes
from bootstrap.local_stack import LocalStackError, child, kafka, ports, postgres
from bootstrap.local_stack.guilder_service import GuilderService
from bootstrap.local_stack.kafka import KafkaServer
from bootstrap.local_stack.postgres import PostgresServer
from bootstrap.local_stack.roster import API, PSP_SIMULATOR, GuilderProcess
from bootstrap.local_stack.servers import ServerAddresses, kafka_server, postgres_server
from bootstrap.local_stack.supervised import Service
from bootstrap.settings import Settings

SIMULATOR_KEY_FILE: Final = "psp_simulator.key"
POSTGRES_PORTS: Final = {"postgres": postgres.DEFAULT_PORT}
KAFKA_PORTS: Final = {"kafka": kafka.DEFAULT_PORT, "kafka-controller": kafka.DEFAULT_CONTROLLER_PORT}
REPOSITORY: Final = Path(__file__).parents[2]


class PortTakenError(LocalStackError):
    """Somebody else listens on a port that was asked for."""


@dataclass(frozen=True)
class NamedStep:
    """Something to do once while an installation comes up; `run` may raise."""

    name: str
    run: Callable[[], object]


@dataclass
class Plan:
    """`set_up` and `finish` make the steps before and after Guilder's processes, from the settings of this run.

    First `prepare_servers`, later `prepare_processes`; either may be called again where a port was lost. Then
    `replaced_ports` tells what a server or process would have had, were it not in use: last time's or the default.
    """

    settings: Settings
    roster: Sequence[GuilderProcess]
    set_up: Callable[[Settings], Sequence[NamedStep]] = lambda _settings: ()
    finish: Callable[[Settings], Sequence[NamedStep]] = lambda _settings: ()
    ports: dict[str, int] = field(default_factory=dict)
    replaced_ports: dict[str, int] = field(default_factory=dict)
    _postgres: PostgresServer | None = None
    _kafka: KafkaServer | None = None
    _run_settings: Settings | None = None

    @property
    def home(self) -> Path:
        return self.settings.home.resolve()

    @property
    def run_settings(self) -> Settings:
        """The settings with every address filled in; to be asked for once the servers are prepared."""
        assert self._run_settings is not None
        return self._run_settings

    @property
    def api_url(self) -> str | None:
        return self._url(API)

    @property
    def psp_simulator_url(self) -> str | None:
        return self._url(PSP_SIMULATOR)

    def _url(self, process: GuilderProcess) -> str | None:
        port = self.ports.get(process.name)
        return f"http://{ports.LOOPBACK}:{port}" if port is not None else None

    def prepare_servers(self, recorded_ports: Mapping[str, int]) -> ServerAddresses:
        """Choose the ports and make what the servers need on disk; where a server is given, it is used instead.

        Raises PortTakenError, though no process needs its port yet, so that nothing is started in vain.
        """
        self._refuse_taken_ports()
        dsn, bootstrap = self.settings.postgres.dsn, self.settings.kafka.bootstrap_servers
        own = {**(POSTGRES_PORTS if dsn is None else {}), **(KAFKA_PORTS if bootstrap is None else {})}
        self._choose_ports(recorded_ports, own)
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(self._prepare_kafka) if bootstrap is None else None
            if dsn is None:
                self._postgres = postgres_server(self.home, self.ports["postgres"])
                self._postgres.prepare()
                dsn = self._postgres.dsn(postgres.DATABASE)
            if pending is not None:
                self._kafka = pending.result()
                bootstrap = self._kafka.bootstrap_servers
        assert bootstrap is not None
        self._run_settings = self._filled_in(dsn, bootstrap)
        return ServerAddresses(postgres_dsn=dsn, kafka_bootstrap=bootstrap)

    def _prepare_kafka(self) -> KafkaServer:
        server = kafka_server(self.home, self.ports["kafka"], self.ports["kafka-controller"], cache=self.settings.cache)
        server.prepare()
        return server

    def prepare_processes(self, recorded_ports: Mapping[str, int]) -> None:
        """Choose the ports of Guilder's processes: late, so that they are not taken meanwhile. Raises PortTakenError."""
        self._refuse_taken_ports()
        self._choose_ports(recorded_ports, {process.name: process.default_port for process in self.roster})
        settings = self.run_settings
        assert settings.postgres.dsn is not None
        assert settings.kafka.bootstrap_servers is not None
        self._run_settings = self._filled_in(settings.postgres.dsn, settings.kafka.bootstrap_servers)

    @property
    def _asked_ports(self) -> dict[str, int]:
        """The ports that the operator has named, which are taken or refused, never replaced."""
        asked = API in self.roster and "port" in self.settings.api.model_fields_set
        return {API.name: self.settings.api.port} if asked else {}

    def _refuse_taken_ports(self) -> None:
        for port in self._asked_ports.values():
            if not ports.is_free(port):
                raise PortTakenError(f"port {port}, which GUILDER_API__PORT asks for, is in use: name another")

    def _choose_ports(self, recorded: Mapping[str, int], defaults: Mapping[str, int]) -> None:
        """Take what was asked for; else prefer last time's port, then the default, then any."""
        others = {port for name, port in self.ports.items() if name not in defaults}
        chosen = self._asked_ports
        for name in [name for name in defaults if name not in chosen]:
            wished = recorded.get(name, defaults[name])
            chosen[name] = ports.choose([wished, defaults[name]], avoid=others | set(chosen.values()))
            self.replaced_ports.pop(name, None)
            if chosen[name] != wished:
                self.replaced_ports[name] = wished
        self.ports |= chosen

    def _filled_in(self, dsn: str, bootstrap: str) -> Settings:
        given = self.settings
        simulator = given.psp_simulator.model_copy(
            update={"url": self.psp_simulator_url or given.psp_simulator.url, "key": self._simulator_key()}
        )
        api_port = self.ports.get(API.name, given.api.port)
        # A way past a pooler leads to the server that was named, and not to the one that is started here.
        direct_dsn = None if given.postgres.dsn is None else given.postgres.direct_dsn
        return given.model_copy(
            update={
                "home": self.home,
                "postgres": given.postgres.model_copy(update={"dsn": dsn, "direct_dsn": direct_dsn}),
                "kafka": given.kafka.model_copy(update={"bootstrap_servers": bootstrap}),
                "api": given.api.model_copy(update={"port": api_port}),
                "psp_simulator": simulator,
            }
        )

    def _simulator_key(self) -> str:
        if self.settings.psp_simulator.key is not None:
            return self.settings.psp_simulator.key
        path = self.home / SIMULATOR_KEY_FILE
        if not path.exists():
            child.write_private(path, f"psp_{random_bytes(24).hex()}")
        return path.read_text(encoding="ascii")

    def servers(self) -> list[Service]:
        """The servers that this installation runs itself."""
        return [server for server in (self._postgres, self._kafka) if server is not None]

    def set_up_steps(self) -> Sequence[NamedStep]:
        own_database = [NamedStep("database", self._postgres.ensure_database)] if self._postgres is not None else []
        return [*own_database, *self.set_up(self.run_settings)]

    def processes(self) -> list[Service]:
        """Guilder's processes."""
        return [
            GuilderService(
                process=process,
                port=self.ports[process.name],
                environment=self.environment(process),
                log_path=self.home / "logs" / f"{process.name}.log",
            )
            for process in self.roster
        ]

    def finishing_steps(self) -> Sequence[NamedStep]:
        return self.finish(self.run_settings)

    def environment(self, process: GuilderProcess) -> dict[str, str]:
        """The whole environment of one process."""
        settings = self.run_settings
        inherited = os.environ.get("PYTHONPATH")
        values = {
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{inherited}" if inherited else str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "GUILDER_HOME": str(self.home),
            "GUILDER_SHARDS": str(settings.shards),
            "GUILDER_DELAY_SCALE": str(settings.delay_scale),
            "GUILDER_POSTGRES__DSN": settings.postgres.dsn or "",
            "GUILDER_POSTGRES__DIRECT_DSN": settings.postgres.direct_dsn or "",
            "GUILDER_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers or "",
            "GUILDER_API__HOST": settings.api.host,
            "GUILDER_API__PORT": str(settings.api.port),
            "GUILDER_OPS__PORT": str(self.ports[process.name]),
            "GUILDER_PSP_SIMULATOR__URL": settings.psp_simulator.url,
            "GUILDER_PSP_SIMULATOR__KEY": settings.psp_simulator.key or "",
        }
        return {**os.environ, **values}
