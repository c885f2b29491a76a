"""The lock is installed as it stands, without a look at what its packages ask for; so it has to be whole by itself."""

import subprocess
import sys
from pathlib import Path

LAUNCHER = Path(__file__).parents[2] / "guilder"


def test_every_package_finds_what_it_asks_for() -> None:
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], check=False, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout


def test_the_launcher_has_pip_look_for_nothing_more() -> None:
    assert "--no-deps --require-hashes --requirement" in LAUNCHER.read_text(encoding="utf-8")
