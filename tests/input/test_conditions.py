"""Conditions on every route that takes them: those that do not hold, and what is no condition."""

from typing import Any

import pytest

from bootstrap.openapi import ALL_ROUTES
from schemas.routes import Route
from tests.input.installation import Installation, ask, check_refusal
from tests.input.test_bodies import with_field
from tests.input.test_requests import check_bad_parameter, named

pytestmark = pytest.mark.usefixtures("nothing_stored")

conditional = pytest.mark.parametrize(
    "route", [route for route in ALL_ROUTES if "If-Match" in {one.name for one in route.parameters}], ids=named
)

OTHER_TAGS = ('"999"', '"0"', "", 'W/"1"', '"-1"', '"' + "9" * 5000 + '"', ", , ,", '"a", "b"')
NO_TAGS = ("x", '"1', "1", "9" * 5000, '"1" "1"', 'w/"1"', "\x85")
MISUSED_PREFERENCES = ("wait", "wait=", "wait=x", "wait=-1", "wait=" + "9" * 5000, "wait=1, wait=2", ",,,", "\xff", "=")


@conditional
async def test_conditions_that_do_not_hold_stop_a_command_whatever_it_prefers(
    installation: Installation, route: Route[Any]
) -> None:
    base = installation.base(route)
    for tag in OTHER_TAGS:
        answer = await ask(installation.app, with_field(base, "If-Match", tag))
        check_refusal(route, answer, "version_mismatch", status=412)
    for preference in MISUSED_PREFERENCES:
        stale = with_field(base, "If-Match", '"999"')
        answer = await ask(installation.app, with_field(stale, "Prefer", preference))
        check_refusal(route, answer, "version_mismatch", status=412)


@conditional
async def test_conditions_that_cannot_be_read_are_refused(installation: Installation, route: Route[Any]) -> None:
    for tag in NO_TAGS:
        answer = await ask(installation.app, with_field(installation.base(route), "If-Match", tag))
        check_bad_parameter(route, answer, "If-Match")
