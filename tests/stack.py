"""Where the tests' PostgreSQL and Kafka come from: given ones, containers, or the local stack.

The same tests run on all three and none is skipped for want of a server.
"""

import contextlib
import gc
import importlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from bootstrap.local_stack import installation
from bootstrap.local_stack.child import Identity
from bootstrap.local_stack.servers import ServerAddresses, running_servers

POSTGRES_VARIABLE = "GUILDER_POSTGRES__DSN"
KAFKA_VARIABLE = "GUILDER_KAFKA__BOOTSTRAP_SERVERS"
POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.2"
HOME_PREFIX = "guilder-test-"
OWNER_FILE = "owner.json"


class Provider(Enum):
    GIVEN = "the servers that the environment names"
    CONTAINERS = "containers"
    LOCAL = "the local stack"


def choose_provider(environment: Mapping[str, str], docker_answers: Callable[[], bool]) -> Provider:
    """Given servers win, then containers, then the local stack.

    Raises ValueError when only one of the two servers is given: a test run against half of what it was told to use
    would mislead.
    """
    given = [name for name in (POSTGRES_VARIABLE, KAFKA_VARIABLE) if environment.get(name)]
    if len(given) == 1:
        raise ValueError(f"only {given[0]} is set: set both {POSTGRES_VARIABLE} and {KAFKA_VARIABLE}, or neither")
    if given:
        return Provider.GIVEN
    return Provider.CONTAINERS if docker_answers() else Provider.LOCAL


def docker_answers() -> bool:
    """Tell whether a Docker daemon answers here, within a few seconds."""
    docker: Any = importlib.import_module("docker")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client leaves its socket to the collector when nobody answers
        try:
            with contextlib.closing(docker.from_env(timeout=5)) as client:
                return bool(client.ping())
        except (docker.errors.DockerException, OSError):
            return False
        finally:
            gc.collect()


@contextmanager
def servers(environment: Mapping[str, str]) -> Iterator[ServerAddresses]:
    """Run the servers for as long as the context lasts."""
    match choose_provider(environment, docker_answers):
        case Provider.GIVEN:
            yield ServerAddresses(
                postgres_dsn=environment[POSTGRES_VARIABLE], kafka_bootstrap=environment[KAFKA_VARIABLE]
            )
        case Provider.CONTAINERS:
            with containers() as addresses:
                yield addresses
        case Provider.LOCAL:
            with temporary_home() as home, running_servers(home) as addresses:
                yield addresses


@contextmanager
def containers() -> Iterator[ServerAddresses]:
    """PostgreSQL and Kafka in containers that testcontainers' reaper removes even when this process is killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of its own coming changes
        from testcontainers.community.kafka import KafkaContainer
        from testcontainers.community.postgres import PostgresContainer

        postgres = PostgresContainer(POSTGRES_IMAGE, username="postgres", dbname="postgres", driver=None)
        postgres.with_command("postgres -c max_connections=200")
        kafka = KafkaContainer(KAFKA_IMAGE).with_kraft().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        with postgres, kafka:
            yield ServerAddresses(
                postgres_dsn=postgres.get_connection_url(), kafka_bootstrap=kafka.get_bootstrap_server()
            )


@contextmanager
def temporary_home() -> Iterator[Path]:
    """An installation's home that is removed afterwards, and by the next run if this one is killed."""
    sweep_abandoned_homes()
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX))
    home.chmod(0o711)  # PostgreSQL runs as another user when the tests run as root
    me = Identity.of(os.getpid())
    assert me is not None
    (home / OWNER_FILE).write_bytes(msgspec.json.encode(me))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def sweep_abandoned_homes() -> None:
    """End the supervisors and servers, and remove the homes, of test runs that were killed."""
    for home in Path(tempfile.gettempdir()).glob(f"{HOME_PREFIX}*"):
        try:
            owner = msgspec.json.decode((home / OWNER_FILE).read_bytes(), type=Identity)
        except (OSError, msgspec.DecodeError):
            continue  # another run is just making it, or it is another user's
        if not owner.is_alive:
            installation.end(home)
            shutil.rmtree(home, ignore_errors=True)
