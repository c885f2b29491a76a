"""The ports of one `guilder up`: what was asked for is taken or refused, what was not is told where it is replaced."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.local_stack import ports
from bootstrap.local_stack.plan import Plan, PortTakenError
from bootstrap.local_stack.roster import API, PSP_SIMULATOR, GuilderProcess
from bootstrap.settings import ApiSettings, KafkaSettings, PostgresSettings, Settings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    port = ports.choose([])
    with socket.socket() as listening:
        listening.bind((ports.LOOPBACK, port))
        listening.listen()
        yield port


def plan_of(home: Path, *roster: GuilderProcess, api: ApiSettings | None = None) -> Plan:
    """A plan whose servers are given, so that none of them is made."""
    settings = Settings(
        home=home,
        postgres=PostgresSettings(dsn="postgresql://elsewhere/guilder"),
        kafka=KafkaSettings(bootstrap_servers="elsewhere:9092"),
        api=ApiSettings() if api is None else api,
    )
    return Plan(settings=settings, roster=roster)


def process_on(port: int) -> GuilderProcess:
    return GuilderProcess("relay", "bootstrap.processes.relay", port, "On a port of the test's.")


def test_a_port_that_was_asked_for_and_is_in_use_is_refused_before_anything_starts(tmp_path: Path, taken: int) -> None:
    plan = plan_of(tmp_path, API, api=ApiSettings(port=taken))
    with pytest.raises(PortTakenError, match=f"port {taken}, which GUILDER_API__PORT asks for, is in use"):
        plan.prepare_servers({})


def test_it_is_refused_too_where_it_was_taken_meanwhile(tmp_path: Path) -> None:
    port = ports.choose([])
    plan = plan_of(tmp_path, API, api=ApiSettings(port=port))
    plan.prepare_servers({})
    with socket.socket() as listening:
        listening.bind((ports.LOOPBACK, port))
        listening.listen()
        with pytest.raises(PortTakenError):
            plan.prepare_processes({})


def test_a_port_that_was_asked_for_is_nobody_elses(tmp_path: Path) -> None:
    port = ports.choose([])
    plan = plan_of(tmp_path, process_on(port), API, api=ApiSettings(port=port))
    plan.prepare_servers({})
    plan.prepare_processes({"relay": port})
    assert plan.ports[API.name] == port != plan.ports["relay"]
    assert API.name not in plan.replaced_ports


def test_without_an_api_its_port_is_no_matter(tmp_path: Path, taken: int) -> None:
    plan_of(tmp_path, PSP_SIMULATOR, api=ApiSettings(port=taken)).prepare_servers({})


def test_a_default_or_an_earlier_port_that_is_in_use_is_replaced_and_noted(tmp_path: Path, taken: int) -> None:
    free = ports.choose([])
    plan = plan_of(tmp_path, process_on(taken))
    plan.prepare_servers({})
    plan.prepare_processes({})
    assert plan.ports["relay"] != taken
    assert plan.replaced_ports == {"relay": taken}

    plan.prepare_processes({"relay": free})
    assert (plan.ports["relay"], plan.replaced_ports) == (free, {})


def test_a_process_is_told_what_it_is_to_do_whatever_this_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Settings(
        home=tmp_path,
        shards=8,
        delay_scale=0.5,
        postgres=PostgresSettings(dsn="postgresql://elsewhere/guilder", direct_dsn="postgresql://past-it/guilder"),
        kafka=KafkaSettings(bootstrap_servers="elsewhere:9092"),
        api=ApiSettings(host="127.0.0.2"),
    )
    relay = process_on(ports.choose([]))
    plan = Plan(settings=given, roster=(relay, PSP_SIMULATOR))
    plan.prepare_servers({})
    plan.prepare_processes({})
    monkeypatch.setenv("GUILDER_DELAY_SCALE", "7")
    for name, value in plan.environment(relay).items():
        monkeypatch.setenv(name, value)
    told = Settings()
    assert (told.home, told.shards, told.delay_scale) == (tmp_path, 8, 0.5)
    assert (told.postgres, told.kafka) == (given.postgres, given.kafka)
    assert (told.api.host, told.ops.port) == ("127.0.0.2", plan.ports["relay"])
    assert told.psp_simulator.url == plan.psp_simulator_url
    assert told.psp_simulator.key
