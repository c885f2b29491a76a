"""Everything of a request but its body, on every route: keys, ids, header fields, query parameters, methods."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from bootstrap import openapi
from bootstrap.openapi import ALL_ROUTES
from schemas.identifiers import Prefix, parse_public_id, public_id
from schemas.routes import Parameter, Route
from tests.input.installation import ALL_SCOPES, DOCUMENTED, Answer, Installation, Request, ask, check_refusal
from tests.input.test_bodies import with_field
from tests.input.wrong_values import CARD_NUMBER, OTHER_CURRENCIES

pytestmark = pytest.mark.usefixtures("nothing_stored")


def named(route: Route[Any]) -> str:
    return f"{route.method} {route.path}"


every_route = pytest.mark.parametrize("route", ALL_ROUTES, ids=named)
with_id = pytest.mark.parametrize("route", [route for route in ALL_ROUTES if "{id}" in route.path], ids=named)
commands = pytest.mark.parametrize("route", [route for route in ALL_ROUTES if route.method == "POST"], ids=named)
reads = pytest.mark.parametrize(
    "route",
    [route for route in ALL_ROUTES if "Guilder-Min-Position" in {one.name for one in route.parameters}],
    ids=named,
)
lists = pytest.mark.parametrize(
    "route", [route for route in ALL_ROUTES if "cursor" in {one.name for one in route.parameters}], ids=named
)

BAD_LIMITS = ("0", "-1", "101", "1.5", "x", "", " 1", "+1", "1e1", "%D9%A1", "9" * 5000, "null")
BAD_TIMES = ("yesterday", "", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "0", "9999-99-99T99:99:99Z")
BAD_POSITIONS = (
    "",
    "x",
    "1",
    ":",
    "1:",
    ":1",
    "-1:1",
    "0:-1",
    "0:1.5",
    "0:1,0:2",
    "99:1",
    "0:" + "9" * 30,
    "0 : 1 : 2",
)
BAD_KEYS = ("", "a b", "k" * 256, "\xe9", '"', '"open', '""', "tab\tin", "a, b", CARD_NUMBER, f'"{CARD_NUMBER}"')


def with_query(base: Request, query: str) -> Request:
    return msgspec.structs.replace(base, target=f"{base.target}?{query}")


def bad_values(parameter: Parameter) -> Iterator[str]:
    """Values that a query parameter cannot have, by its schema; for whatever it is: too long, a zero byte, Latin-1."""
    schema = parameter.json_schema
    if schema.get("type") == "integer":
        yield from BAD_LIMITS
    if "enum" in schema:
        yield from ("nope", "", "%00", str(schema["enum"][0]).upper())
    if schema.get("format") == "date-time":
        yield from BAD_TIMES
    if "currency" in parameter.name:
        yield from (text.replace(" ", "%20") for text in OTHER_CURRENCIES)
    yield from ("x" * 5000, "a%00b", "Gr%F6%DFe-17", "%ED%A0%80")


def check_bad_parameter(route: Route[Any], answer: Answer, name: str) -> None:
    problem = check_refusal(route, answer, "validation_failed", "cursor_invalid", "pan_not_allowed", status=400)
    if problem["code"] != "cursor_invalid":
        assert name in {error["pointer"] for error in problem["errors"]}
        assert all(error["code"] and error["detail"] for error in problem["errors"])


@every_route
async def test_only_a_key_that_works_is_let_in(installation: Installation, route: Route[Any]) -> None:
    base, mine = installation.base(route), installation.mine
    wrong_end = mine.key[:-2] + ("aa" if mine.key[-2:] != "aa" else "bb")
    crossed = mine.key.replace(mine.key.split("_")[2], installation.theirs.key.split("_")[2])
    nobody = mine.key.replace(mine.key.split("_")[2], "0" * 26)
    cases = ["", "Bearer", "Bearer ", f"Basic {mine.key}", mine.key, f"Bearer {wrong_end}", f"Bearer {crossed}"]
    cases += [
        f"Bearer {nobody}",
        f"Bearer {mine.key} x",
        f"Bearer {'x' * 5000}",
        "Bearer \xff\xfe",
        f"Bearer {CARD_NUMBER}",
    ]
    cases += [
        f"Bearer {mine.key.replace('test', 'live', 1)}",
        f"Bearer {mine.key.upper()}",
        "Bearer \0",
        "Bearer gk_test__",
    ]
    for case in cases:
        answer = await ask(installation.app, with_field(base, "Authorization", case))
        check_refusal(route, answer, "unauthenticated", status=401)
    for values in ((), (f"Bearer {mine.key}", f"Bearer {mine.key}")):
        answer = await ask(installation.app, with_field(base, "Authorization", *values))
        check_refusal(route, answer, "unauthenticated", status=401)
    answer = await ask(installation.app, with_field(base, "Authorization", f"Bearer {mine.revoked_key}"))
    check_refusal(route, answer, "key_revoked", status=401)
    assert CARD_NUMBER.encode() not in answer.body


async def test_each_route_needs_its_scope(installation: Installation) -> None:
    # Issuing keys writes to the log, so they are issued first.
    for scope in ALL_SCOPES:
        assert {route.scope for route in ALL_ROUTES} <= set(ALL_SCOPES)
        key = installation.keys_without[scope]
        for route in [route for route in ALL_ROUTES if route.scope == scope]:
            answer = await ask(installation.app, installation.base(route, key=key))
            problem = check_refusal(route, answer, "scope_missing", status=403)
            assert problem["scope"] == scope


@with_id
async def test_ids_that_name_nothing_of_mine_are_not_found(installation: Installation, route: Route[Any]) -> None:
    mine, theirs = installation.mine.objects, installation.theirs.objects
    base, their_base = installation.base(route), installation.base(route, installation.theirs)
    [noun] = [noun for noun, own in mine.items() if f"/{own}" in base.target]
    own = mine[noun]
    prefix, _, digits = own.partition("_")
    others = ["x", "null", "0", "-1", prefix, f"{prefix}_", digits, f"{prefix}_{'0' * 26}", f"{prefix}_{'Z' * 26}"]
    others += [
        own[:-1],
        own + "0",
        own.replace("_", "-"),
        f"{prefix}_{'8' + digits[1:]}",
        f" {own}",
        own.swapcase()[::-1],
    ]
    others += [
        "%00",
        f"{own}%00",
        "%2e%2e",
        "..",
        "%C3%A9",
        "%ff",
        "x" * 5000,
        CARD_NUMBER,
        "%F0%9F%92%B6",
        f"{own};a=b",
    ]
    others += [f"{other}_{digits}" for other in Prefix if other != prefix]
    others += [one for name, one in mine.items() if name != noun]
    others += [public_id(Prefix.MERCHANT, installation.mine.id)]
    for text in others:
        request = msgspec.structs.replace(base, target=base.target.replace(own, text.replace(" ", "%20")))
        answer = await ask(installation.app, request)
        check_refusal(route, answer, "not_found", status=404)
        assert CARD_NUMBER.encode() not in answer.body
    request = msgspec.structs.replace(base, target=their_base.target)
    assert theirs[noun] in request.target
    check_refusal(route, await ask(installation.app, request), "not_found", status=404)


@with_id
async def test_objects_of_the_other_mode_do_not_mix(installation: Installation, route: Route[Any]) -> None:
    answer = await ask(installation.app, installation.base(route, key=installation.mine.live_key))
    check_refusal(route, answer, "livemode_mismatch", "not_found")


@commands
async def test_idempotency_keys_are_strict(installation: Installation, route: Route[Any]) -> None:
    base = installation.base(route)
    answer = await ask(installation.app, with_field(base, "Idempotency-Key"))
    check_refusal(route, answer, "idempotency_key_missing", status=400)
    for values in (*((key,) for key in BAD_KEYS), ("a", "b")):
        answer = await ask(installation.app, with_field(base, "Idempotency-Key", *values))
        problem = check_refusal(route, answer, "idempotency_key_invalid", "pan_not_allowed", status=400)
        assert (problem["code"] == "pan_not_allowed") == (CARD_NUMBER in values[0])
        assert CARD_NUMBER.encode() not in answer.body


@reads
async def test_positions_are_strict(installation: Installation, route: Route[Any]) -> None:
    for position in BAD_POSITIONS:
        answer = await ask(installation.app, with_field(installation.base(route), "Guilder-Min-Position", position))
        check_bad_parameter(route, answer, "Guilder-Min-Position")


@every_route
async def test_query_parameters_are_strict(installation: Installation, route: Route[Any]) -> None:
    base = installation.base(route)
    for query in (
        "colour=blue",
        "colour",
        "=",
        "=x",
        "%00=1",
        "limit[]=1",
        "a" * 5000,
        "%FF=%FF",
        "LIMIT=1",
        "limit%20=1",
    ):
        check_refusal(route, await ask(installation.app, with_query(base, query)), "filter_unknown", status=400)
    answer = await ask(installation.app, with_query(base, f"x={CARD_NUMBER}"))
    check_refusal(route, answer, "pan_not_allowed", status=400)
    assert CARD_NUMBER.encode() not in answer.body
    for parameter in [one for one in route.parameters if one.where == "query"]:
        for value in bad_values(parameter):
            answer = await ask(installation.app, with_query(base, f"{parameter.name}={value}"))
            check_bad_parameter(route, answer, parameter.name)
        answer = await ask(installation.app, with_query(base, f"{parameter.name}=x&{parameter.name}=x"))
        check_bad_parameter(route, answer, parameter.name)


@lists
async def test_cursors_are_good_for_their_list_alone(installation: Installation, route: Route[Any]) -> None:
    base = installation.base(route)
    cursors = ["", "x", "A", "AAAA", "A" * 29, "A" * 30, "====", "%00", "-_-_", "\u0661".encode().hex()]
    for other in ALL_ROUTES:
        if "cursor" in {one.name for one in other.parameters}:
            for merchant in (installation.mine, installation.theirs):
                if other is route and merchant is installation.mine:
                    continue
                page = await ask(installation.app, with_query(installation.base(other, merchant), "limit=1"))
                assert page.json()["has_more"], f"{other.path} has no second page, which shows nothing"
                cursors.append(page.json()["next_cursor"])
    own = (await ask(installation.app, with_query(base, "limit=1"))).json()["next_cursor"]
    cursors += [own[:-1], own + "A", own[:-4] + "AAAA" + "A"]
    for cursor in cursors:
        answer = await ask(installation.app, with_query(base, f"cursor={cursor}"))
        check_refusal(route, answer, "cursor_invalid", status=400)
    assert (await ask(installation.app, with_query(base, f"limit=1&cursor={own}"))).status == 200


@every_route
async def test_other_methods_are_refused(installation: Installation, route: Route[Any]) -> None:
    base = installation.base(route)
    served = {one.method for one in ALL_ROUTES if one.path == route.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - served:
        answer = await ask(installation.app, msgspec.structs.replace(base, method=method))
        assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")
        allowed = {one for one in answer.headers["allow"].split(", ") if one != "HEAD"}
        assert allowed == served


@every_route
async def test_other_spellings_of_a_path_are_no_paths(installation: Installation, route: Route[Any]) -> None:
    base = installation.base(route)
    target = base.target
    for other in (
        f"{target}/",
        f"/{target}",
        target.replace("/v1", "/V1"),
        target.replace("/v1", "/v1/"),
        f"{target}/x",
    ):
        answer = await ask(installation.app, msgspec.structs.replace(base, target=other))
        assert (answer.status, answer.json()["code"]) in {(404, "not_found"), (405, "method_not_allowed")}, other
    answer = await ask(installation.app, msgspec.structs.replace(base, target=target.replace("/", "%2F")))
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


def test_each_noun_in_a_path_is_known_to_the_installation(installation: Installation) -> None:
    for route in ALL_ROUTES:
        assert "{id}" not in installation.base(route).target
    for noun, own in installation.mine.objects.items():
        assert parse_public_id(Prefix(own.partition("_")[0]), own) if noun != "accounts" else own.startswith("acc_")


async def test_the_document_is_rendered_once_however_often_it_is_asked_for(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await ask(installation.app, Request("GET", "/openapi.json", ()))
    monkeypatch.setattr(openapi, "completed", None)
    assert (await ask(installation.app, Request("GET", "/openapi.json", ()))).json() == first.json() == DOCUMENTED
