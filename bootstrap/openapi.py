"""The OpenAPI 3.1 document, from the same `Route` values that are served.

`python -m bootstrap.openapi` writes it to `docs/openapi.json`; a test holds the committed document to the routes.
"""

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec

import command_api
from command_api.problems import InternalError, problem
from projections import query_api
from schemas.envelope import API_VERSION
from schemas.errors import FieldError, Rejected
from schemas.resources import Problem
from schemas.routes import Route

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "openapi.json"
ALL_ROUTES: Final[tuple[Route[Any], ...]] = (*command_api.ROUTES, *query_api.ROUTES)

TITLE: Final = "Guilder"
DESCRIPTION: Final = (
    "Payments whose every state is a fold of one replayable log. Amounts are minor units of an ISO 4217 currency, times "
    "RFC 3339 in UTC. A 2xx is durable; every POST takes an `Idempotency-Key`; refusals are problem documents (RFC 9457)."
)
SECURITY_SCHEMES: Final = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "`gk_live_…` or `gk_test_…`: a merchant's key, which settles merchant and mode and carries scopes; or the "
            "operator's key."
        ),
    }
}

_REF: Final = "#/components/schemas/"
_EVERY_REFUSAL: Final = (
    "malformed_request",
    "pan_not_allowed",
    "filter_unknown",
    "unauthenticated",
    "key_revoked",
    "scope_missing",
    "request_timeout",
    "headers_too_large",
    "rate_limited",
    "internal_error",
    "transfer_coding_unknown",
    "overloaded",
    "shard_unavailable",
)
_EXAMPLE_REQUEST_ID: Final = "req_018f3b"
_EXAMPLE_FIELD: Final = FieldError("/amount", "not_integer", "must be a whole number of minor units")
_EXAMPLE_EXTENSIONS: Final[dict[str, dict[str, Any]]] = {
    "invalid_state": {"current_status": "created", "allowed": ["authorized"]},
    "capture_exceeds_authorized": {"available": 4000},
    "refund_exceeds_captured": {"available": 1000},
    "validation_failed": {"errors": [_EXAMPLE_FIELD]},
    "pan_not_allowed": {"errors": [FieldError("/reference", "bad_format", "holds a card number; send a token")]},
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Request-Id": {"description": "Yours, or one of ours; it leads to the logs.", "schema": {"type": "string"}},
    "ETag": {"description": "The object's version in quotes.", "schema": {"type": "string"}},
    "Guilder-Position": {
        "description": (
            "`shard:position` of the last event that counted, commas between several shards; pass it on as "
            "`Guilder-Min-Position`."
        ),
        "schema": {"type": "string", "pattern": "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"},
    },
    "Guilder-As-Of": {
        "description": "With `as_of`: the positions that the answer holds for; ask by them for the same again.",
        "schema": {"type": "string", "pattern": "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"},
    },
    "Idempotent-Replayed": {
        "description": "`true` when the key had been used before for this request.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {"description": "The wait that was granted.", "schema": {"type": "string"}},
    "Location": {"description": "Where the new object is.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "`Bearer`: a key is needed.", "schema": {"type": "string"}},
}
_PROBLEM_HEADERS: Final[dict[int, tuple[str, ...]]] = {
    HTTPStatus.UNAUTHORIZED: ("Request-Id", "WWW-Authenticate"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Request-Id", "Retry-After"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Request-Id", "Retry-After"),
}
_READ_HEADERS: Final = ("Request-Id", "ETag", "Guilder-Position")
_COMMAND_HEADERS: Final = ("Request-Id", "ETag", "Guilder-Position", "Idempotent-Replayed", "Preference-Applied")


def _refusals(kind: type[Rejected] = Rejected) -> Iterator[type[Rejected]]:
    for child in kind.__subclasses__():
        # The family is closed: one that stands elsewhere is no part of the API, whoever loaded it.
        if "code" in vars(child) and child.__module__ == Rejected.__module__:
            yield child
        yield from _refusals(child)


def refusals_by_code() -> dict[str, type[Rejected]]:
    """Every refusal there is, by its code."""
    known: list[type[Rejected]] = [InternalError, *_refusals()]
    return {kind.code: kind for kind in known}


def component_name(name: str) -> str:
    """How the document calls a type: `PaymentIntent`, not `PaymentIntentResource`; `PaymentIntentList`."""
    listed = re.fullmatch(r"ListResource_(\w+?)(?:Resource)?_", name)
    return f"{listed[1]}List" if listed else name.removesuffix("Resource")


def components(routes: Sequence[Route[Any]]) -> tuple[dict[int, dict[str, Any]], dict[str, Any]]:
    """References by `id(type)`, and the schemas they lead to, of all bodies and answers of `routes`."""
    types: list[Any] = [Problem]
    for route in routes:
        types += [kind for kind in (route.request, route.response) if kind is not None]
    references, schemas = msgspec.json.schema_components(types, ref_template=_REF + "{name}")
    renamed = {name: component_name(name) for name in schemas}
    assert len(set(renamed.values())) == len(renamed), "two components would have one name"
    return (
        {id(kind): _renamed(reference, renamed) for kind, reference in zip(types, references, strict=True)},
        {renamed[name]: _renamed(schema, renamed) | {"title": renamed[name]} for name, schema in schemas.items()},
    )


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _renamed(value, names) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_renamed(value, names) for value in node]
    if isinstance(node, str) and node.startswith(_REF):
        return _REF + names[node.removeprefix(_REF)]
    return node


def completed(document: dict[str, Any], routes: Sequence[Route[Any]]) -> dict[str, Any]:
    """FastAPI's document of `routes`, with what FastAPI cannot know: bodies, answers, refusals and security.

    It is done on FastAPI's result because FastAPI would drop every null from the examples.
    """
    references, schemas = components(routes)
    for route in routes:
        document["paths"][route.path][route.method.lower()] |= operation(route, references)
    document["components"] = {
        "schemas": schemas,
        "headers": _HEADERS,
        "examples": {code: {"value": _example_of(kind)} for code, kind in sorted(refusals_by_code().items())},
        "securitySchemes": SECURITY_SCHEMES,
    }
    return document


def operation(route: Route[Any], references: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What the document says of one route beyond its path and summary."""
    described: dict[str, Any] = {
        "tags": [route.path.split("/")[2]],
        "security": [{"api_key": []}],
        "parameters": [*_path_parameters(route), *_parameters(route)],
        "responses": _successes(route, references) | _problems(route, references),
    }
    if route.request is not None:
        content: dict[str, Any] = {"schema": references[id(route.request)]}
        if route.example_request is not None:
            content["example"] = route.example_request
        required = any(field.required for field in msgspec.structs.fields(route.request))
        described["requestBody"] = {"required": required, "content": {"application/json": content}}
    return described


def operation_id(route: Route[Any]) -> str:
    """`post_payment_intents_id_capture` for `POST /v1/payment_intents/{id}/capture`."""
    return f"{route.method.lower()}_{'_'.join(re.findall(r'[a-z_]+', route.path.removeprefix('/v1')))}"


def _path_parameters(route: Route[Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": "The object's id."}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _parameters(route: Route[Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "in": parameter.where,
            "required": parameter.required,
            "description": parameter.description,
            "schema": parameter.json_schema,
        }
        for parameter in route.parameters
    ]


def _successes(route: Route[Any], references: dict[int, dict[str, Any]]) -> dict[str, Any]:
    names = _COMMAND_HEADERS if route.method == "POST" else _READ_HEADERS
    if any(parameter.name == "as_of" for parameter in route.parameters):
        names = (*names, "Guilder-As-Of")
    answers: dict[str, Any] = {}
    for status, description in route.responses.items():
        answer: dict[str, Any] = {"description": description}
        headers = (*names, "Location") if HTTPStatus.CREATED in route.responses else names
        answer["headers"] = _headers(headers)
        if status != HTTPStatus.NOT_MODIFIED:
            content: dict[str, Any] = {"schema": references[id(route.response)]}
            if route.example_response is not None:
                content["example"] = route.example_response
            answer["content"] = {"application/json": content}
        answers[str(status)] = answer
    return answers


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problems(route: Route[Any], references: dict[int, dict[str, Any]]) -> dict[str, Any]:
    known = refusals_by_code()
    codes = (*route.refusals, *_EVERY_REFUSAL)
    by_status: dict[int, list[type[Rejected]]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(known[code].status, []).append(known[code])
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(_PROBLEM_HEADERS.get(status, ("Request-Id",))),
            "content": {
                "application/problem+json": {
                    "schema": references[id(Problem)],
                    "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
                }
            },
        }
        for status, kinds in sorted(by_status.items())
    }


def _example_of(kind: type[Rejected]) -> Any:
    """The very document that the renderer writes for such a refusal."""
    example = kind.__new__(kind)
    example.detail, example.extensions = kind.title, _EXAMPLE_EXTENSIONS.get(kind.code, {})
    _, _, body = problem(example, _EXAMPLE_REQUEST_ID)
    return msgspec.json.decode(body)


def document() -> dict[str, Any]:
    """The whole document."""
    from bootstrap.asgi import framework_app

    described: dict[str, Any] = framework_app([(ALL_ROUTES, None)]).openapi()
    return described


def document_bytes() -> bytes:
    """The document as it is committed."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


__all__ = ["ALL_ROUTES", "API_VERSION", "DOCUMENT", "document", "document_bytes", "operation", "operation_id"]


if __name__ == "__main__":
    DOCUMENT.write_bytes(document_bytes())
