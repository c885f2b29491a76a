"""The log that the bench makes for itself, and the clock of a rebuild."""

import asyncpg

from bootstrap.bench.ledger import CatchUp, fill
from bootstrap.bench.lifecycles import EVENTS_EACH
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.identifiers import Prefix, public_id


async def test_every_lifecycle_is_seven_events_and_is_owed_to_its_merchant(database: str) -> None:
    store = await EventStore.open(StoreOptions(dsn=database))
    try:
        desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        merchants = [await desk.register(name, "NL") for name in ("A", "B")]
        before = sum((await store.heads()).values())
        await fill(database, merchants, 6)
        after = sum((await store.heads()).values())
    finally:
        await store.close()
    assert after - before == 6 * EVENTS_EACH

    connection = await asyncpg.connect(database)
    try:
        owed = await connection.fetch(
            "SELECT a.party, sum(b.credits - b.debits)::bigint AS net FROM ledger_1.balances b"
            " JOIN ledger_1.accounts a USING (shard, account) WHERE a.party LIKE 'mer_%' GROUP BY a.party"
        )
        captured = await connection.fetchval("SELECT count(*) FROM events WHERE type = 'PaymentCaptured'")
    finally:
        await connection.close()
    assert captured == 6
    # 2.9 % of 1999 and 30 are 88: three payments each.
    expected = {public_id(Prefix.MERCHANT, merchant): 3 * (1999 - 88) for merchant in merchants}
    assert {row["party"]: row["net"] for row in owed} == expected


def test_the_clock_of_a_rebuild_stops_when_every_shard_is_there() -> None:
    times = iter([10.0, 11.0, 12.0, 14.0, 90.0])
    clock = CatchUp(lambda: next(times))
    clock.step(0, 0, 5)
    clock.step(1, 0, 3)
    clock.step(0, 5, 5)
    clock.step(1, 3, 3)
    clock.step(0, 5, 5)  # the comparison, which comes after
    assert clock.per_second(8) == 2.0
