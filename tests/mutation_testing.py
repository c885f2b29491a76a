"""A pytest plugin for `mutmut run` alone: what mutmut 3.7 misses in the pytest of today.

mutmut 3.8 needs it no more, but wants a newer click than faust-streaming allows.
"""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its id under the name it had."""
    for item in items:
        vars(item)["_nodeid"] = item.nodeid
