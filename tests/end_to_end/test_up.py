"""`guilder up`, `status` and `down` together, as a user calls them; `down` is judged where the installation is ended."""

import shlex
from itertools import pairwise

import httpx
import pytest

from tests.campaign.installation import Installation

SERVERS = ["postgres", "kafka"]
PROCESSES = ["psp-simulator", "api", "relay", "projector", "saga"]

pytestmark = pytest.mark.slow


def printed_requests(text: str) -> list[httpx.Request]:
    """The printed `curl` lines as the requests that a shell would have curl make."""
    joined = text.replace("\\\n", " ").replace("$(date +%s)", "1")
    requests = []
    for line in joined.splitlines():
        words = shlex.split(line) if line.startswith("  curl ") else []
        if not words:
            continue
        pairs = list(pairwise(words))
        headers = dict(value.split(": ", 1) for flag, value in pairs if flag == "-H")
        bodies = [value for flag, value in pairs if flag == "-d"]
        url = next(word for word in words if word.startswith("http"))
        requests.append(
            httpx.Request("POST" if bodies else "GET", url, headers=headers, content=bodies[0] if bodies else None)
        )
    return requests


async def test_all_is_healthy_and_what_up_printed_works(installation: Installation, http: httpx.AsyncClient) -> None:
    await installation.healthy()
    found = await installation.call("status")
    assert set(found) == {
        "api", "postgres_dsn", "kafka_bootstrap", "psp_simulator", "demo", "processes", "backlog", "problems",
    }  # fmt: skip
    assert set(found["backlog"]["followers"]) == {"relay", "projector", "payment_saga"}
    assert [process["name"] for process in found["processes"]] == [*SERVERS, *PROCESSES]
    assert all(process["healthy"] for process in found["processes"])
    for process in found["processes"]:
        if process["name"] in SERVERS:
            assert process["health_url"] is None
        else:
            assert (await http.get(process["health_url"])).status_code == 200
            assert (await http.get(process["health_url"].replace("/health/ready", "/metrics"))).status_code == 200

    answers = [await http.send(request) for request in printed_requests(installation.printed[0])]
    payment, payments, balances = [(answer.status_code, answer.json()) for answer in answers]
    assert (payment[0], payment[1]["status"], payment[1]["amount"]) == (201, "captured", 1999)
    assert (payments[0], balances[0]) == (200, 200), (payments, balances)
    assert found["demo"]["merchant_id"] == payment[1]["merchant_id"]

    # A log may be handed on; it gets neither a password nor a key.
    said = (installation.home / "logs" / "supervisor.log").read_text(encoding="utf-8")
    assert "postgresql://" not in said
    assert found["demo"]["api_key"] not in said

    second = installation.guilder("up", "--detach")
    assert second.splitlines()[0] == "already running"
    assert found["demo"]["api_key"] in second
    assert (await installation.call("status"))["processes"] == found["processes"]
