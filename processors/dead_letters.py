"""What needs a person: halted shards, steps that fail, cases that only the PSP or a person can settle.

Each has an address that `guilder dead-letters show | redrive` takes: `shard/projector/3`, `step/call/<uuid>/2`,
`case_…`.
"""

from typing import Any, Literal
from uuid import UUID

import msgspec

from processors.log_consumer.halted_shards import HaltedShard, halted_shards, resume
from processors.saga import redrive as saga
from processors.saga.redrive import FailedStep, OpenCase
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id
from schemas.timestamps import rfc3339


class NoSuchLetter(Exception):
    """An address that is no dead letter's (any more)."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not go on by itself, or not soon: why, since or until when (RFC 3339), and all details."""

    address: str
    kind: Literal["halted shard", "failed step", "open case"]
    shard: int
    at: str
    why: str
    details: dict[str, Any]


async def dead_letters(pool: Any) -> list[DeadLetter]:
    """All of them: halted shards first, for they hold up whole shards, then steps, then cases."""
    return [
        *map(_of_shard, await halted_shards(pool)),
        *map(_of_step, await saga.failed_steps(pool)),
        *map(_of_case, await saga.open_cases(pool)),
    ]


async def find(pool: Any, address: str) -> DeadLetter:
    """The dead letter at an address.

    Raises:
        NoSuchLetter: there is none.
    """
    wanted = address.lower()
    for letter in await dead_letters(pool):
        if letter.address.lower() == wanted:
            return letter
    raise NoSuchLetter(f"there is no dead letter {address}")


async def redrive(pool: Any, address: str, *, now_ms: int) -> bool:
    """Let a shard go on, try a step again at once, or ask the PSP again about a case; false when that is under way.

    Raises:
        NoSuchLetter: there is none at that address.
    """
    letter = await find(pool, address)
    match letter.kind:
        case "halted shard":
            return await resume(pool, letter.details["projection"], letter.shard)
        case "failed step":
            steps = [step for step in await saga.failed_steps(pool) if _of_step(step).address == letter.address]
            return bool(steps) and await saga.redrive(pool, steps[0], now_ms=now_ms)
        case "open case":
            return await saga.redrive_case(pool, _case_id(letter.address), now_ms=now_ms)


def _case_id(address: str) -> UUID:
    try:
        return parse_public_id(Prefix.CASE, address)
    except MalformedId as error:
        raise NoSuchLetter(str(error)) from error


def _of_shard(halted: HaltedShard) -> DeadLetter:
    return DeadLetter(
        address=f"shard/{halted.projection}/{halted.shard}",
        kind="halted shard",
        shard=halted.shard,
        at=rfc3339(halted.since),
        why=halted.reason,
        details=_plain(halted),
    )


def _of_step(step: FailedStep) -> DeadLetter:
    return DeadLetter(
        address=f"step/{step.kind}/{step.subject}/{step.try_no}",
        kind="failed step",
        shard=step.shard,
        at=rfc3339(step.ready_at),
        why=step.error,
        details=_plain(step),
    )


def _of_case(case: OpenCase) -> DeadLetter:
    return DeadLetter(
        address=public_id(Prefix.CASE, case.case_id),
        kind="open case",
        shard=case.shard,
        at=rfc3339(case.opened_at),
        why=f"{case.reason} ({case.exposure} minor units of {case.currency} at stake)",
        details=_plain(case),
    )


def _plain(letter: HaltedShard | FailedStep | OpenCase) -> dict[str, Any]:
    details: dict[str, Any] = msgspec.to_builtins(letter)
    return details
