"""The idempotency oracle as a merchant sees it: what was said once is said again, and what was refused never happened."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

from tests.oracles.store import http_command_key

FINAL = {200, 201}
ACCEPTED = 202


class Told(Protocol):
    """A request under an idempotency key, and the answer that stands."""

    @property
    def merchant_id(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def status(self) -> int | None: ...
    @property
    def answer(self) -> dict[str, Any] | None: ...


def faults_of_answers(sent: Iterable[Told], on_disk: Mapping[UUID, int]) -> list[str]:
    """Acknowledged but not in the log, or there twice; refused but in the log; never answered."""
    faults = []
    for told in sent:
        times = on_disk.get(http_command_key(told.merchant_id, told.key), 0)
        if told.status is None or told.status >= 500:
            faults.append(f"{told.key} has no answer ({told.status})")
        elif told.status < 300 and times != 1:
            faults.append(f"{told.key} was acknowledged and stands {times} times in the log")
        elif told.status >= 400 and times:
            faults.append(f"{told.key} was refused with {told.status} and stands {times} times in the log")
    return faults


def faults_of_repeat(first: Told, again: Told) -> list[str]:
    """What differs between two acknowledgements under one key: nothing may once the operation has ended.

    Of an operation that was still open the first time, the repeat may know more, but of the same object.
    """
    if first.status not in {*FINAL, ACCEPTED} or first.answer is None:
        return []
    if again.status not in {*FINAL, ACCEPTED} or again.answer is None:
        return [f"{first.key} was acknowledged with {first.status} and then answered with {again.status}"]
    if first.answer["id"] != again.answer["id"]:
        return [f"{first.key} was answered with {first.answer['id']} and then with {again.answer['id']}"]
    if first.status in FINAL and (first.status, first.answer) != (again.status, again.answer):
        return [f"{first.key}: the final answer changed from {first.answer} to {again.answer}"]
    return []
