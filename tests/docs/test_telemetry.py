"""The trace that docs/telemetry.md shows is what its command prints of what a collector wrote."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOPS = ["POST /v1/payment_intents", "append", "relay", "saga call", "psp authorize", "apply PaymentCaptured → ledger"]


def test_the_trace_shown_is_the_collectors() -> None:
    reference = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    [(arguments, shown)] = re.findall(
        r"```console\n\$ python (docs/telemetry/tree\.py .*?)\n(.*?)\n```", reference, re.DOTALL
    )
    printed = subprocess.run(
        [sys.executable, *arguments.split()], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert printed.stdout.rstrip("\n") == shown
    assert all(hop in shown for hop in HOPS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: file, about"),
        (["no-such-file", "pi_1"], "No such file"),
        (["docs/telemetry/one_payment.jsonl", "pi_1"], "no span in docs/telemetry/one_payment.jsonl names pi_1"),
        (["docs/openapi.json", "pi_1"], "tree.py: "),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(arguments: list[str], said: str) -> None:
    refused = subprocess.run(
        [sys.executable, "docs/telemetry/tree.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_lines_shown_are_those_of_that_payment() -> None:
    reference = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    [(payment, shown)] = re.findall(r"```console\n\$ \./guilder logs --about (\S+)\n(.*?)\n```", reference, re.DOTALL)
    assert len(shown.splitlines()) == 4
    assert all(payment in line for line in shown.splitlines())
