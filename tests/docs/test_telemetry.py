"""The trace that docs/telemetry.md shows is what its command prints of what a collector wrote."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_the_lines_shown_are_those_of_that_payment() -> None:
    reference = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    [(payment, shown)] = re.findall(r"```console\n\$ \./guilder logs --about (\S+)\n(.*?)\n```", reference, re.DOTALL)
    assert len(shown.splitlines()) == 4
    assert all(payment in line for line in shown.splitlines())
