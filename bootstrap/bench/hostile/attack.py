"""An attack and what its author saw: the values that go to the attacker's process and come back from it."""

import msgspec


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` (a name of `attacks.KINDS`) over so many connections to `127.0.0.1:port` for at most `seconds`.

    `bearer` is the key of the one merchant that misbehaves.
    """

    kind: str
    port: int
    connections: int
    seconds: float
    bearer: str


class Seen(msgspec.Struct, kw_only=True):
    """What the attacker saw: how often each status, connections that it made, and those that were ended for it."""

    statuses: dict[int, int] = {}
    connected: int = 0
    ended: int = 0
    failed: int = 0
