"""What needs a person: halted shards, steps that fail, cases that only the PSP or a person can settle.

Each has an address that `guilder dead-letters show | redrive` takes: `shard/projector/3`, `step/call/<uuid>/2`,
`case_…`.
"""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from processors.log_consumer.halted_shards import HaltedShard, halted_shards, resume
from processors.saga import redrive as saga
from processors.saga.redrive import FailedStep, OpenCase
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id
from schemas.timestamps import rfc3339

LISTED: Final = 1000
"""So many failed steps and so many open cases are listed at most, the first of each."""


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
    """Halted shards first, for they hold up whole shards, then steps, then cases, of these two at most `LISTED` each."""
    return [
        *map(_of_shard, await halted_shards(pool)),
        *map(_of_step, await saga.failed_steps(pool, limit=LISTED)),
        *map(_of_case, await saga.open_cases(pool, limit=LISTED)),
    ]


async def find(pool: Any, address: str) -> DeadLetter:
    """The dead letter at an address. It is looked up by itself: of many, a list shows only the first.

    Raises:
        NoSuchLetter: there is none.
    """
    wanted = address.lower()
    for letter in await _letters_like(pool, wanted):
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
            steps = await saga.failed_steps_of(pool, UUID(letter.details["subject"]))
            same = [step for step in steps if _of_step(step).address == letter.address]
            return bool(same) and await saga.redrive(pool, same[0], now_ms=now_ms)
        case "open case":
            return await saga.redrive_case(pool, UUID(letter.details["case_id"]), now_ms=now_ms)


async def _letters_like(pool: Any, address: str) -> list[DeadLetter]:
    """The letters that an address may be of."""
    match address.split("/"):
        case ["shard", _, _]:
            return list(map(_of_shard, await halted_shards(pool)))
        case ["step", _, subject, _]:
            try:
                return list(map(_of_step, await saga.failed_steps_of(pool, UUID(subject))))
            except ValueError:
                return []
        case [case_id]:
            try:
                case = await saga.open_case(pool, parse_public_id(Prefix.CASE, case_id))
            except MalformedId:
                return []
            return [] if case is None else [_of_case(case)]
        case _:
            return []


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
