"""A process that wants the same keys as the test: `python -m tests.contract.rival DSN`.

It says `ready`, waits for a line, appends under the keys `same 0` … `same 49`, and prints what came of each.
"""

import asyncio
import sys

from event_store import AlreadyDone, EventStore, StoreOptions
from tests.contract.samples import CountedIds, first

COMMANDS = 50


async def outcomes(store: EventStore, ids: CountedIds) -> list[str]:
    """For each key: the id of the first event under it, and whether it is ours."""

    async def one(number: int) -> str:
        command = first(ids, ids.new_id(number % 4), key=f"same {number}")
        try:
            appended = await store.append(command)
        except AlreadyDone as done:
            return f"theirs {done.record.event_id}"
        return f"ours {appended.records[0].event_id}"

    return await asyncio.gather(*(one(number) for number in range(COMMANDS)))


async def main() -> None:
    store = await EventStore.open(StoreOptions(dsn=sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for outcome in await outcomes(store, CountedIds(series=1)):
        sys.stdout.write(outcome + "\n")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
