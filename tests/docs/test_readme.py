"""The README's snippets do what it says, one after the other, in a shell, on a whole installation."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.campaign.installation import Installation, shared_installation

ROOT = Path(__file__).parents[2]
README_WITHIN_S = 240


@pytest.fixture
def installation() -> Installation:
    return shared_installation()


@pytest.mark.slow
def test_every_snippet_works(installation: Installation) -> None:
    snippets = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join(
        [
            "set -euo pipefail",
            *snippets,
            "echo",
            'curl -s "$API/v1/payment_intents/$INTENT" -H "Authorization: Bearer $KEY"',
        ]
    )
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=dict(installation.environment),
        capture_output=True,
        text=True,
        timeout=README_WITHIN_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "All checks hold" in ran.stdout
    assert "all is well" in ran.stdout
    intent = json.loads(ran.stdout.splitlines()[-1])
    assert (intent["status"], intent["amount_captured"], intent["amount_refunded"]) == (
        "partially_refunded",
        6000,
        1000,
    )
