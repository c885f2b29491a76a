"""The OpenAPI document: committed, valid, true to the routes, and its examples are what they say they are."""

import importlib
import json
import re
from typing import Any

import msgspec
import openapi_spec_validator
import pytest

from bootstrap.openapi import ALL_ROUTES, DOCUMENT, component_name, document_bytes, refusals_by_code
from command_api import ROUTES
from command_api.examples import CREATED_INTENT, PROCESSED_INTENT, PROCESSED_REFUND
from schemas.errors import Rejected
from schemas.resources import PaymentIntentResource, RefundResource
from tests.command_api.conversation import CARD, Client

jsonschema: Any = importlib.import_module("jsonschema")
COMMITTED: dict[str, Any] = json.loads(DOCUMENT.read_bytes())


def test_the_committed_document_is_the_one_the_routes_make() -> None:
    assert DOCUMENT.read_bytes() == document_bytes(), "write it anew: python -m bootstrap.openapi"


def test_a_refusal_from_outside_the_family_does_not_enter_it() -> None:
    class Foreign(Rejected):
        code, status, title = "foreign", 418, "Of no concern to the API."

    assert Foreign.code not in refusals_by_code()


def test_it_is_valid_openapi_3_1() -> None:
    assert COMMITTED["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(COMMITTED)


async def test_the_running_api_serves_it(client: Client) -> None:
    assert (await client.http.get(f"{client.url}/openapi.json")).json() == COMMITTED


def test_every_route_stands_in_it_hot_or_not() -> None:
    assert {(route.path, route.method.lower()) for route in ALL_ROUTES} <= {
        (path, method) for path, methods in COMMITTED["paths"].items() for method in methods
    }
    assert any(route.hot for route in ROUTES)
    assert any(not route.hot for route in ROUTES)


def test_every_operation_has_a_name_of_its_own_and_asks_for_a_key() -> None:
    operations = [operation for methods in COMMITTED["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    guarded = [
        operation for path, methods in COMMITTED["paths"].items() if "/v1/" in path for operation in methods.values()
    ]
    assert all(operation["security"] == [{"api_key": []}] for operation in guarded)
    assert all("401" in operation["responses"] for operation in guarded)


@pytest.mark.parametrize("route", ALL_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_the_examples_are_of_their_schemas(route: Any) -> None:
    operation = COMMITTED["paths"][route.path][route.method.lower()]
    contents = [answer.get("content", {}) for answer in operation["responses"].values()]
    contents.append(operation.get("requestBody", {}).get("content", {}))
    checked = 0
    for content in contents:
        for described in content.values():
            examples = [example["value"] for example in map(resolved, described.get("examples", {}).values())]
            examples += [described["example"]] if "example" in described else []
            schema = described["schema"] | {"components": COMMITTED["components"]}
            for example in examples:
                jsonschema.Draft202012Validator(schema).validate(example)
                checked += 1
    assert checked


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = COMMITTED
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def test_the_example_objects_are_whole_resources() -> None:
    for example in (CREATED_INTENT, PROCESSED_INTENT):
        assert json.loads(msgspec.json.encode(msgspec.convert(example, PaymentIntentResource))) == example
    assert msgspec.to_builtins(msgspec.convert(PROCESSED_REFUND, RefundResource)) == PROCESSED_REFUND


async def test_what_the_api_answers_is_of_its_schema(client: Client) -> None:
    created = await client.create(reference="of-its-schema", metadata={"a": "b"})
    refused = await client.create(amount=0)
    for answer, name in ((created, "PaymentIntent"), (refused, "Problem")):
        schema = {"$ref": f"#/components/schemas/{name}", "components": COMMITTED["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


OWN_HEADERS = {
    "ETag",
    "Guilder-Position",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "Request-Id",
    "WWW-Authenticate",
}


async def test_the_headers_that_the_api_answers_stand_in_it(client: Client) -> None:
    stranger = Client(client.http, client.url, "gk_test_no_key")
    answers = {
        201: await client.create(),
        202: await client.create(authorize=True, payment_method=CARD, wait=0),
        400: await client.create(amount=0),
        401: await stranger.create(),
    }
    described = COMMITTED["paths"]["/v1/payment_intents"]["post"]["responses"]
    for status, answer in answers.items():
        assert answer.status_code == status
        assert {name for name in OWN_HEADERS if name in answer.headers} <= described[str(status)]["headers"].keys()
    assert all("Retry-After" in described[status]["headers"] for status in ("429", "503"))


def test_every_refusal_has_a_code_and_a_title() -> None:
    for code, kind in refusals_by_code().items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert kind.title.endswith(".")
        assert 400 <= kind.status < 600


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("PaymentIntentResource", "PaymentIntent"),
        ("ListResource_PaymentIntentResource_", "PaymentIntentList"),
        ("ListResource_EventResource_", "EventList"),
        ("Problem", "Problem"),
    ],
)
def test_components_have_plain_names(name: str, shown: str) -> None:
    assert component_name(name) == shown
