"""A server in a thread of the tests' own process: uvicorn as the API has it, with whatever application a test needs."""

import threading
from abc import ABC, abstractmethod
from typing import Any, Self

import uvicorn

from bootstrap.local_stack.ports import choose


class StandInServer(ABC):
    """Its subclasses are ASGI applications."""

    def __init__(self) -> None:
        self.port = choose([])
        self._server = uvicorn.Server(
            uvicorn.Config(self, host="127.0.0.1", port=self.port, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
        )  # fmt: skip
        self._thread = threading.Thread(target=self._server.run)

    @abstractmethod
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

    async def answer(self, send: Any, status: int, body: bytes) -> None:
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            threading.Event().wait(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
