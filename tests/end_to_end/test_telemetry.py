"""What a whole installation tells of itself: every metric that is documented, one payment's trace, and its log lines."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.campaign.installation import Installation
from tests.command_api.conversation import CARD, Client

pytestmark = pytest.mark.slow

REFERENCE = Path(__file__).parents[2] / "docs" / "telemetry.md"
TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
TOLD_WITHIN_S = 30.0
# Each hop of a sale, by the process that tells it.
HOPS: Final = {
    "api": {"POST /v1/payment_intents", "append"},
    "relay": {f"relay {name}" for name in ("PaymentIntentCreated", "AuthorizationRequested", "PaymentCaptured")},
    "saga": {"saga call", "psp authorize", "append"},
    "projector": {f"apply {name}" for name in ("PaymentIntentCreated", "PaymentAuthorized", "PaymentCaptured")},
}


def documented() -> list[tuple[str, str, set[str], list[str]]]:
    """The table of docs/telemetry.md: name, type, labels, and the processes that tell it."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(name, kind, set(re.findall(r"`(\w+)`", labels)), told.split(", ")) for name, kind, labels, told in rows]


async def exported(installation: Installation, http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Every metric of every process by the name that the table gives it, but for those of Prometheus's own client."""
    found: dict[str, dict[str, Any]] = {}
    for process in installation.status()["processes"]:
        if process["health_url"] is not None:
            text = (await http.get(process["health_url"].replace("/health/ready", "/metrics"))).text
            found[process["name"]] = {
                f"{family.name}_total" if family.type == "counter" else family.name: family
                for family in text_string_to_metric_families(text)
                if not family.name.startswith(("python_", "process_"))
            }
    return found


async def test_every_metric_is_documented_and_every_documented_one_is_told(
    installation: Installation, http: httpx.AsyncClient, demo: Client
) -> None:
    # One payment, refused one and repeated one, so that no labelled metric is without a series.
    created = await demo.create(key="metrics-1", authorize=True, payment_method=CARD, wait=30)
    assert created.json()["status"] == "authorized"
    assert (await demo.create(key="metrics-1", authorize=True, payment_method=CARD)).status_code == 201
    await demo.command(created.json()["id"], "capture", wait=30)
    processes = await exported(installation, http)

    table = documented()
    told = {name for families in processes.values() for name in families}
    assert {name for name, *_ in table} == told
    for name, kind, labels, tellers in table:
        for process in tellers:
            family = processes[process][name]
            assert family.type == kind, name
            seen = {label for sample in family.samples for label in sample.labels} - {"le"}
            assert seen <= labels, name
            assert seen == labels or not family.samples, name

    api, saga = processes["api"], processes["saga"]
    assert api["idempotency_hit_rate"].samples[0].value > 0
    assert saga["payment_authorize_duration_seconds"].samples
    assert (
        sum(sample.value for sample in saga["guilder_psp_call_seconds"].samples if sample.name.endswith("_count")) >= 2
    )


async def traced_payment(demo: Client) -> str:
    """A sale whose caller wants its trace kept; its id."""
    sale = {"amount": 1999, "currency": "EUR", "capture_method": "automatic", "authorize": True, "payment_method": CARD}
    answer = await demo.post(
        "/v1/payment_intents",
        sale,
        key="traced-1",
        headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01", "Prefer": "wait=30"},
    )
    assert (answer.status_code, answer.json()["status"]) == (201, "captured")
    intent_id: str = answer.json()["id"]
    return intent_id


def spans_of(installation: Installation, process: str) -> list[dict[str, Any]]:
    path = installation.home / "logs" / f"traces-{process}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [span for span in map(json.loads, lines) if span["context"]["trace_id"] == f"0x{TRACE_ID}"]


def strangers(spans: dict[str, list[dict[str, Any]]]) -> set[str]:
    """The parents that are none of the spans."""
    every = [span for process in spans.values() for span in process]
    return {span["parent_id"] for span in every} - {span["context"]["span_id"] for span in every}


async def test_one_payment_is_one_trace_and_is_found_in_the_logs_by_one_id(
    installation: Installation, demo: Client
) -> None:
    intent_id = await traced_payment(demo)
    spans: dict[str, list[dict[str, Any]]] = {}
    async with asyncio.timeout(TOLD_WITHIN_S):
        # Spans are written in batches, by processes that cannot be asked.
        # Each hop hangs below another, and only the first below the caller; a parent ends, and is told, after its children.
        while not all(
            hops <= {span["name"] for span in spans.get(process, ())} for process, hops in HOPS.items()
        ) or strangers(spans) != {"0x00f067aa0ba902b7"}:
            await asyncio.sleep(0.2)
            spans = {process: spans_of(installation, process) for process in HOPS}

    every = [span for process in spans.values() for span in process]
    by_name = {span["name"]: span for span in every}
    step, call = by_name["saga call"], by_name["psp authorize"]
    assert call["parent_id"] == step["context"]["span_id"]
    assert by_name["relay PaymentCaptured"]["parent_id"] == step["context"]["span_id"]
    assert by_name["apply PaymentCaptured"]["attributes"]["read_models"] == "ledger, payments"
    assert {span["attributes"].get("payment_intent_id", intent_id) for span in every} == {intent_id}

    printed = await asyncio.to_thread(installation.guilder, "logs", "--about", intent_id)
    lines = [line.split(" | ", 1) for line in printed.splitlines()]
    said = {(process.strip(), json.loads(line)["event"]) for process, line in lines}
    assert said >= {(process, hop) for process, hops in HOPS.items() for hop in hops}
    told = [json.loads(line) for _, line in lines]
    assert [line["timestamp"] for line in told] == sorted(line["timestamp"] for line in told)
    assert all(line["merchant_id"].startswith("mer_") for line in told if line["event"] != "POST /v1/payment_intents")
    assert len({line["correlation_id"] for line in told if "correlation_id" in line}) == 1
    assert demo.api_key not in "".join(
        path.read_text("utf-8", "replace") for path in (installation.home / "logs").iterdir()
    )
