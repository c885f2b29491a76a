"""Whatever can be generated from the served document, with real keys against a real server and a real PostgreSQL."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap.openapi import ALL_ROUTES
from schemas.routes import Route
from tests.command_api.conversation import served
from tests.conftest import fresh_database
from tests.input.installation import DOCUMENTED, Installation, installed

schemathesis: Any = importlib.import_module("schemathesis")
checks: Any = importlib.import_module("schemathesis.specs.openapi.checks")
GenerationMode: Any = importlib.import_module("schemathesis.generation").GenerationMode

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
SHORT, LONG = 12, 1500
every_route = pytest.mark.parametrize("route", ALL_ROUTES, ids=lambda route: f"{route.method} {route.path}")


@pytest.fixture(scope="module")
async def place(postgres_dsn: str, migrated_template: str) -> AsyncIterator[tuple[str, Installation]]:
    async with (
        fresh_database(postgres_dsn, template=migrated_template) as dsn,
        installed(dsn) as installation,
        served(dsn) as url,
    ):
        yield url, installation


@every_route
async def test_what_the_document_allows_and_what_it_does_not(
    place: tuple[str, Installation], route: Route[Any]
) -> None:
    await asyncio.to_thread(generate, *place, route, SHORT)


@pytest.mark.campaign
@every_route
async def test_a_great_many_of_both(place: tuple[str, Installation], route: Route[Any]) -> None:
    await asyncio.to_thread(generate, *place, route, LONG)


def generate(url: str, installation: Installation, route: Route[Any], examples: int) -> None:
    """Ask with generated requests, right and wrong; the ids in their paths are mine, theirs, or generated too."""
    operation = schemathesis.openapi.from_dict(DOCUMENTED)[route.path][route.method]
    mine, theirs = installation.base(route).target, installation.base(route, installation.theirs).target
    [*ids] = [path.split("/")[3 + ("ledger" in path)] for path in (mine, theirs) if "{id}" in route.path]
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=cases, known=st.sampled_from([*ids, None]))
    def holds(case: Any, known: str | None) -> None:
        if known is not None:
            case.path_parameters["id"] = known
        # Nobody answers for a PSP here, so no command is waited for.
        headers = {"Authorization": f"Bearer {installation.mine.key}", "Prefer": "wait=0"}
        answer = case.call(base_url=url, headers=headers, timeout=20)
        assert answer.status_code != 500
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            listed = DOCUMENTED["paths"][route.path][route.method.lower()]["responses"][str(answer.status_code)]
            assert answer.json()["code"] in listed["content"]["application/problem+json"]["examples"]

    holds()
