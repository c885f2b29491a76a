"""An answer that is not sent: the connection is reset, unless the client was quicker."""

import socket
import struct
from unittest.mock import Mock

from bootstrap.psp_simulator.delivery import TRANSPORT, Reset


async def reset(transport: Mock) -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    await Reset()({"type": "http", "extensions": {TRANSPORT: transport}}, receive, Mock())


async def test_a_connection_that_stands_is_reset_without_lingering() -> None:
    transport = Mock()
    transport.is_closing.return_value = False
    await reset(transport)
    linger = transport.get_extra_info.return_value.setsockopt
    linger.assert_called_once_with(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort.assert_called_once_with()


async def test_a_client_that_has_left_already_is_no_failure() -> None:
    transport = Mock()
    transport.is_closing.return_value = True
    transport.get_extra_info.return_value.setsockopt.side_effect = ValueError("negative file descriptor")
    await reset(transport)
    transport.abort.assert_not_called()
