"""What the API answers without a key: its health, its metrics, its document, and the reference with its own assets.

Anyone may ask for them, as often as they like, so each answer is there already or is shared by all who ask within a
moment. A closed network has no CDN, so the reference brings what it needs.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final

import msgspec
from fastapi.openapi.docs import get_swagger_ui_html

from bootstrap.openapi import TITLE
from bootstrap.processes import HealthReport
from bootstrap.telemetry.exposition import CONTENT_TYPE, Exposition
from command_api.edge import Reply
from command_api.hot_dispatch import Page

_ASSETS_PATH: Final = "/docs/assets"
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon.png": "image/png",
}
_JSON: Final = "application/json"
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_UNAVAILABLE: Final = 503


def open_pages(
    document: Callable[[], Mapping[str, Any]],
    health: Callable[[], Awaitable[HealthReport]],
    exposition: Exposition,
) -> dict[str, Page]:
    """The pages by their paths; `document` is asked once, when somebody asks for it."""

    @cache
    def rendered() -> Reply:
        return _reply(msgspec.json.encode(document()), _JSON)

    async def described(_scope: Mapping[str, Any]) -> Reply:
        return rendered()

    reference = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=TITLE,
        swagger_js_url=f"{_ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS_PATH}/favicon.png",
    )
    return {
        "/health/live": partial(_constant, _reply(b'{"live":true}', _JSON)),
        "/health/ready": partial(_ready, health),
        "/metrics": partial(_metrics, exposition),
        "/openapi.json": described,
        "/docs": partial(_constant, _reply(bytes(reference.body), "text/html; charset=utf-8")),
        **{f"{_ASSETS_PATH}/{name}": _asset(name, media_type) for name, media_type in _ASSETS.items()},
    }


def _reply(body: bytes, media_type: str, status: int = _OK) -> Reply:
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", media_type.encode())]
    return Reply(status, headers, body)


async def _constant(reply: Reply, _scope: Mapping[str, Any]) -> Reply:
    return reply


async def _ready(health: Callable[[], Awaitable[HealthReport]], _scope: Mapping[str, Any]) -> Reply:
    report = await health()
    return _reply(msgspec.json.encode(report, enc_hook=str), _JSON, _OK if report.ready else _UNAVAILABLE)


async def _metrics(exposition: Exposition, _scope: Mapping[str, Any]) -> Reply:
    return _reply(await exposition.text(), CONTENT_TYPE)


def _asset(name: str, media_type: str) -> Page:
    """A file that changes with the package it comes with, and so is asked for again only with its tag."""
    content = files("fastapi_offline").joinpath("static", name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()
    whole = _reply(content, media_type)
    whole = Reply(_OK, [*whole.headers, (b"etag", tag)], content)
    return partial(_unless_held, whole, Reply(_NOT_MODIFIED, [(b"etag", tag)], b""), tag)


async def _unless_held(whole: Reply, not_modified: Reply, tag: bytes, scope: Mapping[str, Any]) -> Reply:
    held = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    return not_modified if tag in (one.strip().removeprefix(b"W/") for one in held.split(b",")) else whole
