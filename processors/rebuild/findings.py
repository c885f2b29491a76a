"""What a verification finds: which rule is broken, in which shard, and where."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it has to be: which rule is broken in which shard, and where."""

    shard: int
    rule: str
    detail: str
