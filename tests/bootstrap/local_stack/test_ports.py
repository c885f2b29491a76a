"""Ports: the wished one when it is free, another when it is not."""

import socket

from bootstrap.local_stack import ports


def test_a_free_wish_is_granted_and_a_taken_one_is_not() -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.choose([port]) != port
        second = ports.choose([])
        assert ports.choose([port, None, second]) == second
    assert ports.choose([port]) == port


def test_any_other_port_is_none_that_an_outgoing_connection_could_take() -> None:
    assert all(20_000 <= ports.choose([]) < 32_000 for _ in range(20))


def test_a_port_promised_to_another_server_is_avoided() -> None:
    free = ports.choose([])
    assert ports.choose([free], avoid=[free]) != free
