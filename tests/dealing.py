"""Which tests go to the same worker when several run them."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

WHOLE = "a whole installation"

# All of Guilder's processes run in these, and two such at once would fight for two cores.
_SHARED_INSTALLATION = ("tests/campaign/", "tests/docs/test_readme.py", "tests/end_to_end/")
_WHOLE = (
    *_SHARED_INSTALLATION,
    "tests/bootstrap/bench/test_bench.py",
    "tests/bootstrap/bench/test_history.py",
    "tests/bootstrap/bench/test_hostile.py",
    "tests/bootstrap/local_stack/test_installation.py",
)
_SHARED_FOLDERS = ("tests/input/",)


def together_with(nodeid: str) -> str:
    """The name of what a test has to stay together with: its file, where nothing else is said."""
    if nodeid.startswith(_WHOLE):
        return WHOLE
    for folder in _SHARED_FOLDERS:
        if nodeid.startswith(folder):
            return folder
    return nodeid.split("::", 1)[0]


def is_of_shared_installation(nodeid: str) -> bool:
    """Tell whether a test runs on the one installation of tests/campaign/installation.py."""
    return nodeid.startswith(_SHARED_INSTALLATION)


def turn(nodeid: str) -> int:
    """When a test has its turn: what takes longest first, and all on the shared installation in one go."""
    if is_of_shared_installation(nodeid):
        return 0
    return 1 if together_with(nodeid) == WHOLE else 2


class Dealing(LoadScopeScheduling):  # type: ignore[misc] # untyped library
    """Deals tests out by what they stay together with, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> Any:
        return together_with(nodeid)
