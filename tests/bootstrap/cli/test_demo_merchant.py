"""The demo merchant: registered once, used again, registered anew only where the database does not know its key."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bootstrap.cli.demo_merchant import DEMO_FILE, ensure_demo_merchant, load_demo
from bootstrap.settings import ApiSettings, Settings


class Api(HTTPServer):
    """Answers 401 to every key that it was not told of."""

    known: set[str]


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        key = self.headers["Authorization"].removeprefix("Bearer ")
        self.send_response(200 if key in self.server.known else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api(("127.0.0.1", 0), Handler) as server:
        server.known = set()
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


async def test_it_is_registered_once_and_again_only_for_a_new_database(api: Api, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, api=ApiSettings(port=api.server_port))
    registered: list[str] = []

    async def seed(_settings: Settings) -> tuple[str, str]:
        registered.append(f"gk_test_{len(registered)}")
        api.known.add(registered[-1])
        return "mer_1", registered[-1]

    first = await ensure_demo_merchant(settings, seed)
    assert (tmp_path / DEMO_FILE).stat().st_mode & 0o777 == 0o600
    assert await ensure_demo_merchant(settings, seed) == first == load_demo(tmp_path)
    assert registered == ["gk_test_0"]

    api.known.clear()
    assert (await ensure_demo_merchant(settings, seed)).api_key == "gk_test_1"
    assert load_demo(tmp_path) == await ensure_demo_merchant(settings, seed)
