"""The projector from the log to the books: through the relay, Kafka and Faust, each event once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from processors.log_consumer import HaltedShards, LogConsumer, LogConsumerOptions, PositionGap
from processors.projector import Projector, open_pool
from processors.relay import Relay, RelayOptions
from processors.topics import TopicOptions
from projections import PROJECTIONS
from projections.ledger.postings import post
from projections.projection import DigestedTable
from schemas.events import EVENT_TYPES
from schemas.records import RecordedEvent
from tests.conftest import TEST_SHARDS
from tests.processors.log_writer import make_record
from tests.processors.topic_writer import produce
from tests.projections.history import History, Payment, as_record, write_log

SHARDS = range(TEST_SHARDS)


def payments(shard: int, count: int) -> list[RecordedEvent]:
    """A shard's log of `count` payments, created, authorized and captured, their events interleaved in pairs."""
    history = History(shard)
    for number in range(count):
        name = f"payment-{number}"
        history.add(*Payment(name, shard=shard).paid(), stream=name)
    return history.recorded


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    pool = await open_pool(database)
    try:
        yield pool
    finally:
        await pool.close()


async def test_the_log_becomes_the_books_and_redelivery_changes_nothing(
    database: str, kafka_bootstrap: str, topic_prefix: str, pool: Any
) -> None:
    log = {shard: payments(shard, 40) for shard in SHARDS}
    for shard in SHARDS:
        await write_log(database, log[shard])
    topic = TopicOptions(name=f"{topic_prefix}events", partitions=TEST_SHARDS)
    relay = Relay(RelayOptions(dsn=database, bootstrap_servers=kafka_bootstrap, topic=topic))
    consumer = LogConsumer(
        LogConsumerOptions(
            bootstrap_servers=kafka_bootstrap, topic=topic.name, group=f"{topic_prefix}projector", shards=TEST_SHARDS
        ),
        Projector(pool, PROJECTIONS),
        HaltedShards(pool, "projector", SYSTEM_CLOCK),
    )
    stop = asyncio.Event()
    running = [asyncio.create_task(part.run(stop)) for part in (relay, consumer)]
    try:
        await until_projected(pool, {shard: len(log[shard]) for shard in SHARDS})
        expected = sum(len(post(event)) for events in log.values() for event in events)
        assert await pool.fetchval("SELECT count(*) FROM ledger_1.transactions") == expected
        before = await rows_of_books(pool)
        for shard in SHARDS:
            await produce(kafka_bootstrap, topic.name, [as_record(event) for event in log[shard][100:]])
        await asyncio.sleep(1)
        assert await rows_of_books(pool) == before
        assert await pool.fetchval("SELECT count(*) FROM halted_shards") == 0
    finally:
        stop.set()
        await asyncio.gather(*running)
    off_by = (
        "SELECT sum(amount) FROM ledger_1.entries GROUP BY shard, position, transaction_line HAVING sum(amount) <> 0"
    )
    assert await pool.fetch(off_by) == []
    assert await pool.fetchval("SELECT count(*) FROM payments_1.payment_intents") == 160


async def rows_of_books(pool: Any) -> list[Any]:
    return [
        await pool.fetch(f"SELECT * FROM ledger_1.{table} ORDER BY 1, 2, 3")
        for table in ("transactions", "entries", "balances")
    ]


async def until_projected(pool: Any, positions: dict[int, int]) -> None:
    projector = Projector(pool, PROJECTIONS)
    async with asyncio.timeout(40):
        # The condition lives in PostgreSQL, where nobody can set an event.
        while await projector.positions(list(positions)) != positions:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Noted:
    """A projection that notes positions, and refuses some."""

    digested: tuple[DigestedTable, ...] = ()
    event_types = frozenset(EVENT_TYPES)

    def __init__(self, name: str, *, refuses: int = 0) -> None:
        self.name = name
        self._refuses = refuses

    async def apply(self, connection: Any, schema: str, events: Sequence[RecordedEvent]) -> None:
        for event in events:
            if event.position == self._refuses:
                raise ValueError(f"{self.name} refuses {event.position}")
            await connection.execute(f"INSERT INTO {schema}.noted VALUES ($1, $2)", event.shard, event.position)


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Any]:
    """The superuser's connection, with two small projections live beside the real ones."""
    connection: Any = await asyncpg.connect(database)
    try:
        for name in ("quick", "slow"):
            await connection.execute(f"""
                CREATE SCHEMA {name}_1;
                CREATE TABLE {name}_1.noted (shard integer, position bigint, PRIMARY KEY (shard, position));
                GRANT ALL ON SCHEMA {name}_1 TO guilder_projections;
                GRANT ALL ON {name}_1.noted TO guilder_projections;
                INSERT INTO live VALUES ('{name}', 1);
            """)
        yield connection
    finally:
        await connection.close()


async def noted(connection: Any, name: str) -> list[int]:
    return [row[0] for row in await connection.fetch(f"SELECT position FROM {name}_1.noted ORDER BY 1")]


async def test_each_projection_gets_what_it_lacks(owner: Any, pool: Any) -> None:
    records = [make_record(2, position) for position in range(1, 11)]
    assert await Projector(pool, [Noted("quick")]).handle(2, records[:6]) == 6
    both = Projector(pool, [Noted("slow"), Noted("quick")])
    assert await both.positions([1, 2]) == {1: 0, 2: 0}
    assert await both.handle(2, records) == 10
    assert await noted(owner, "quick") == await noted(owner, "slow") == list(range(1, 11))
    assert await both.positions([1, 2]) == {1: 0, 2: 10}
    assert await both.handle(2, records[:5]) == 10


async def test_a_gap_of_one_projection_is_a_gap_of_the_batch(owner: Any, pool: Any) -> None:
    records = [make_record(2, position) for position in range(1, 11)]
    await Projector(pool, [Noted("quick")]).handle(2, records[:6])
    both = Projector(pool, [Noted("slow"), Noted("quick")])
    with pytest.raises(PositionGap) as gap:
        await both.handle(2, records[6:])
    assert (gap.value.expected, gap.value.got) == (1, 7)
    assert await noted(owner, "quick") == list(range(1, 7)), "nothing of the batch is kept"


async def test_a_projection_that_refuses_takes_the_batch_of_all_back(owner: Any, pool: Any) -> None:
    records = [make_record(2, position) for position in range(1, 11)]
    both = Projector(pool, [Noted("quick"), Noted("slow", refuses=8)])
    with pytest.raises(ValueError, match="slow refuses 8"):
        await both.handle(2, records)
    assert await noted(owner, "quick") == []
    assert await both.positions([2]) == {2: 0}


async def test_shards_that_are_due_are_applied_together(owner: Any, pool: Any) -> None:
    both = Projector(pool, [Noted("slow"), Noted("quick")])
    await both.handle(2, [make_record(2, position) for position in range(1, 4)])
    batches = {shard: [make_record(shard, position) for position in range(1, 6)] for shard in (3, 1, 2)}
    transactions = "SELECT count(DISTINCT xmin::text) FROM quick_1.noted WHERE shard <> 2 OR position > 3"
    assert await both.handle_together(batches) == {3: 5, 1: 5, 2: 5}
    assert await noted(owner, "quick") == await noted(owner, "slow") == sorted([*range(1, 6)] * 3)
    assert await owner.fetchval(transactions) == 1
    assert await both.positions([1, 2, 3]) == {1: 5, 2: 5, 3: 5}


async def test_a_shard_that_is_refused_takes_those_beside_it_back(owner: Any, pool: Any) -> None:
    projector = Projector(pool, [Noted("quick")])
    good, gapped = [make_record(1, 1), make_record(1, 2)], [make_record(2, 2)]
    with pytest.raises(PositionGap):
        await projector.handle_together({1: good, 2: gapped})
    assert await noted(owner, "quick") == []
    assert await projector.positions([1, 2]) == {1: 0, 2: 0}
