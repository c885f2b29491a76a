"""The lock is installed as it stands, without a look at what its packages ask for; so it has to be whole by itself."""

import subprocess
import sys


def test_every_package_finds_what_it_asks_for() -> None:
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], check=False, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout
