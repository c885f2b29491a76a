"""`guilder ledger rebuild` and `guilder ledger verify`, as an operator calls them."""

import asyncio
from typing import Any

import asyncpg
import msgspec
from typer.testing import CliRunner, Result

from bootstrap.cli import ledger as verb
from bootstrap.cli.ledger import app
from processors.topics import TopicOptions, ensure_topic
from tests.processors.rebuild.conftest import Log
from tests.processors.topic_writer import make_topic, produce
from tests.projections.history import as_record


async def ledger(log: Log, *arguments: str, kafka: str | None = None) -> Result:
    environment = {"GUILDER_POSTGRES__DSN": log.dsn, "GUILDER_KAFKA__BOOTSTRAP_SERVERS": kafka or ""}
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, env=environment))


async def damage(log: Log) -> None:
    owner: Any = await asyncpg.connect(log.dsn)
    await owner.execute("UPDATE ledger_1.balances SET debits = debits + 1 WHERE shard = 2")
    await owner.close()


async def test_verify_says_that_all_is_well(log: Log) -> None:
    done = await ledger(log, "verify")
    assert done.exit_code == 0, done.output
    assert "all is well" in done.output
    assert "137 events" in done.output


async def test_verify_names_what_is_off_and_fails(log: Log) -> None:
    await damage(log)
    done = await ledger(log, "verify")
    assert done.exit_code == 1
    assert "shard 2: a balance is what its last entry left" in done.output
    found = msgspec.json.decode((await ledger(log, "verify", "--json")).stdout)
    assert {finding["shard"] for finding in found["findings"]} == {2}


async def test_rebuild_switches_over_and_says_so(log: Log) -> None:
    done = await ledger(log, "rebuild")
    assert done.exit_code == 0, done.output
    assert "ledger_2 is live: 137 events, equal to generation 1, which was dropped" in done.output.replace("\n", " ")
    kept = msgspec.json.decode(
        (await ledger(log, "rebuild", "--projection", "payments", "--keep-old", "--json")).stdout
    )
    assert (kept["projection"], kept["generation"], kept["equal"], kept["old_dropped"]) == ("payments", 2, True, False)
    assert await log.generations("payments") == ["payments_1", "payments_2"]


async def test_rebuild_of_a_ledger_that_is_off_switches_nothing_unless_told(log: Log) -> None:
    await damage(log)
    refused = await ledger(log, "rebuild")
    assert refused.exit_code == 1
    assert "differs from the live generation" in refused.output.replace("\n", " ")
    assert await log.live() == 1
    accepted = await ledger(log, "rebuild", "--accept-differences")
    assert accepted.exit_code == 0, accepted.output
    assert (await ledger(log, "verify")).exit_code == 0


async def test_rebuild_reads_the_topic_when_asked(
    log: Log, kafka_bootstrap: str, monkeypatch: Any, topic_prefix: str
) -> None:
    topic = topic_prefix + "events"
    await make_topic(kafka_bootstrap, topic)
    for history in log.histories.values():
        await produce(kafka_bootstrap, topic, [as_record(recorded) for recorded in history.recorded])
    monkeypatch.setattr(verb, "TOPIC", topic)
    done = await ledger(log, "rebuild", "--source", "kafka", kafka=kafka_bootstrap)
    assert done.exit_code == 0, done.output
    assert await log.live() == 2


async def test_a_topic_that_is_not_there_or_is_another_is_not_read(
    log: Log, kafka_bootstrap: str, monkeypatch: Any, topic_prefix: str
) -> None:
    topic = topic_prefix + "events"
    monkeypatch.setattr(verb, "TOPIC", topic)
    missing = await ledger(log, "rebuild", "--source", "kafka", kafka=kafka_bootstrap)
    assert missing.exit_code == 1
    assert f"there is no topic {topic} yet" in " ".join(missing.output.split())
    await ensure_topic(kafka_bootstrap, TopicOptions(name=topic, partitions=2))
    other = await ledger(log, "rebuild", "--source", "kafka", kafka=kafka_bootstrap)
    assert other.exit_code == 1
    assert f"topic {topic} has 2 partitions" in " ".join(other.output.split())
    assert await log.live() == 1


async def test_a_projection_that_does_not_exist_is_refused(log: Log) -> None:
    assert (await ledger(log, "rebuild", "--projection", "nothing")).exit_code == 2
