"""A Kafka broker of one installation: KRaft, one node that is its own controller."""

import base64
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootstrap.clock import random_bytes
from bootstrap.local_stack import LocalStackError, child
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.ports import LOOPBACK

DEFAULT_PORT: Final = 9092
DEFAULT_CONTROLLER_PORT: Final = 9093
STOP_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 2.0

JVM_OPTIONS: Final = (
    "-Xms128m",
    "-Xmx512m",
    # On two cores the serial collector costs the least memory and its pauses stay in milliseconds at this heap.
    "-XX:+UseSerialGC",
    # Compiling once more for speed costs more than it gains before a broker of this size is stopped again.
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxMetaspaceSize=160m",
    "-XX:ReservedCodeCacheSize=96m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)

API_VERSIONS_REQUEST: Final = bytes.fromhex("0000000a0012000000000001ffff")
"""ApiVersions v0: size, api key 18, version 0, correlation id 1, no client id (Kafka protocol guide)."""

LOGGING: Final = """\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %m (%c{1})%n
log4j.logger.kafka=WARN
log4j.logger.org.apache.kafka=WARN
log4j.logger.org.apache.kafka.common.config=ERROR
log4j.logger.kafka.server.BrokerServer=INFO
log4j.logger.kafka.server.KafkaRaftServer=INFO
"""


class KafkaStartError(LocalStackError):
    """Kafka's storage could not be set up."""


@dataclass(frozen=True)
class KafkaServer:
    """The broker whose log lies in `data_path`, for clients on `port` and for itself on `controller_port`."""

    data_path: Path
    config_path: Path
    log_path: Path
    java: Path
    jars: tuple[Path, ...]
    port: int
    controller_port: int
    name: str = "kafka"
    stop_within_s: float = STOP_WITHIN_S
    health_url: None = None

    @property
    def ports(self) -> tuple[int, ...]:
        return self.port, self.controller_port

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def _logging_path(self) -> Path:
        return self.config_path.with_name("kafka-log4j.properties")

    def _java_command(self, main_class: str, *arguments: str, options: tuple[str, ...]) -> list[str]:
        classpath = ":".join(map(str, self.jars))
        logging = f"-Dlog4j.configuration={self._logging_path.resolve().as_uri()}"
        return [str(self.java), *options, logging, "-cp", classpath, main_class, *arguments]

    def prepare(self) -> None:
        """Write the configuration and, the first time, format the storage. Raises KafkaStartError."""
        if "," in str(self.data_path.resolve()):
            raise KafkaStartError(
                f"{self.data_path} cannot hold Kafka's data: Kafka takes a comma for the end of a path"
            )
        self.config_path.parent.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(self._properties(), encoding="ascii")
        self._logging_path.write_text(LOGGING, encoding="ascii")
        if (self.data_path / "meta.properties").exists():
            return
        self.data_path.mkdir(parents=True, exist_ok=True)
        cluster_id = base64.urlsafe_b64encode(random_bytes(16)).rstrip(b"=").decode("ascii")
        # With "=": one id in 64 begins with a dash and would be read as an option.
        arguments = ["format", "--standalone", f"--cluster-id={cluster_id}", "-c", str(self.config_path)]
        options = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        command = self._java_command("kafka.tools.StorageTool", *arguments, options=options)
        answer = subprocess.run(command, check=False, capture_output=True, text=True)
        if answer.returncode != 0:
            raise KafkaStartError(f"formatting Kafka's storage failed: {answer.stdout}{answer.stderr}")

    def _properties(self) -> str:
        clients, controller = f"{LOOPBACK}:{self.port}", f"{LOOPBACK}:{self.controller_port}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.data_path.resolve()),
            # Topics are made with an explicit number of partitions, never by a producer's typing error.
            "auto.create.topics.enable": "false",
            "num.partitions": "1",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "unclean.leader.election.enable": "false",
            # A broker that was killed is let in again once its old session has run out.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            # A lone consumer need not wait for others to join its group.
            "group.initial.rebalance.delay.ms": "0",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            "log.retention.ms": "-1",
            "message.max.bytes": str(1024 * 1024),
        }
        return "".join(f"{name}={_escaped(value)}\n" for name, value in properties.items())

    def start(self) -> Child:
        """Start the broker; `is_ready` tells when it answers."""
        command = self._java_command("kafka.Kafka", str(self.config_path), options=JVM_OPTIONS)
        return child.start("kafka", command, log_path=self.log_path, stop_signal=signal.SIGTERM)

    def is_ready(self) -> bool:
        """Ask the broker for its API versions: it does not answer before it has joined the cluster."""
        return answers(LOOPBACK, self.port)

    def is_live(self) -> bool:
        """A server is never taken for dead while its process lives: killing one that is slow only makes it slower."""
        return True


def _escaped(value: str) -> str:
    """A value as Java reads it from a properties file: Latin-1, and all else escaped as UTF-16 (java.util.Properties)."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < ord("\x7f") else f"\\u{code:04x}" for code in codes)


def answers(host: str, port: int) -> bool:
    """Tell whether a Kafka broker at `host:port` answers a request."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_WITHIN_S) as connection:
            connection.sendall(API_VERSIONS_REQUEST)
            answer = connection.recv(10)
    except OSError:
        return False
    # size, our correlation id, no error
    return answer[4:10] == bytes.fromhex("000000010000")
