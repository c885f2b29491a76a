"""What was changed in the log itself is found, whichever column it was, and said in words."""

from typing import Any, Final

import asyncpg
import pytest

from processors.rebuild import verification as verification_module
from processors.rebuild import verify_ledger
from tests.conftest import TEST_SHARDS
from tests.processors.rebuild.conftest import Log

# Of shard 2: 3 is the start of an attempt, which posts nothing, 7 a capture, 41 the last; `UPDATE events SET …`.
CHANGED: Final = {"a record is what was recorded"}
UNREADABLE: Final = CHANGED | {"an event can be read and posted"}
POSTED: Final = "an entry is what its event says"
COLUMNS: Final = {
    "a payload that posts nothing": ("payload = set_byte(payload, 20, get_byte(payload, 20) # 1)", 3, CHANGED),
    "a payload cut off": ("payload = substring(payload FOR 10)", 7, UNREADABLE | {POSTED}),
    "another schema": ("payload = set_byte(payload, 4, 250)", 3, UNREADABLE),
    "no envelope": ("metadata = '{}'", 3, UNREADABLE),
    "another actor": (
        """metadata = convert_to(replace(convert_from(metadata, 'UTF8'), '"id":"saga"', '"id":"gaas"'), 'UTF8')""",
        3,
        CHANGED,
    ),
    "another type": ("type = 'CaptureFailed'", 7, CHANGED),
    "another event": ("event_id = gen_random_uuid()", 3, CHANGED),
    "another version": ("version = 99", 3, CHANGED),
    "another stream": ("stream_id = gen_random_uuid()", 3, CHANGED | {"a stream has every version"}),
    "a command key": ("command_key = gen_random_uuid()", 3, CHANGED),
    "a request hash": ("request_hash = sha256('x')", 3, CHANGED),
    "another hash": ("record_hash = sha256('x')", 3, CHANGED),
    "an earlier time": ("recorded_at = recorded_at - 1500", 3, {"time never runs backwards"}),
}
STATEMENTS: Final = {
    "the first record deleted": (
        "DELETE FROM events WHERE shard = 2 AND position = 1",
        {"the log is dense", "a stream has every version"},
    ),
    "a record deleted": (
        "DELETE FROM events WHERE shard = 2 AND position = 3",
        {"the log is dense", "a record is what was recorded"},
    ),
    "the last record deleted": (
        "DELETE FROM events WHERE shard = 2 AND position = 41",
        {"the log ends where its head says", "the ledger follows the log"},
    ),
    "a record past the end": (
        """INSERT INTO events SELECT shard, 42, gen_random_uuid(), 1, gen_random_uuid(), type, payload, metadata, NULL, NULL,
        record_hash, recorded_at FROM events WHERE shard = 2 AND position = 41""",
        CHANGED | {"the log ends where its head says"},
    ),
    "a head set forward": (
        "UPDATE heads SET position = 42 WHERE shard = 2",
        {"the log ends where its head says"},
    ),
    "a head set back": ("UPDATE heads SET position = 40 WHERE shard = 2", {"the log ends where its head says"}),
    "a head of another time": (
        "UPDATE heads SET recorded_at = recorded_at + 1 WHERE shard = 2",
        {"the log ends where its head says"},
    ),
    "no head": ("DELETE FROM heads WHERE shard = 2", {"the log ends where its head says"}),
}


async def rules_broken(log: Log, statement: str) -> set[str]:
    superuser: Any = await asyncpg.connect(log.dsn)
    await superuser.execute(f"ALTER TABLE events_0002 DISABLE TRIGGER USER; {statement}")
    await superuser.close()
    findings = (await verify_ledger(log.pool, shards=TEST_SHARDS)).findings
    assert {finding.shard for finding in findings} == {2}
    return {finding.rule for finding in findings}


@pytest.mark.parametrize("damage", COLUMNS)
async def test_a_changed_column_is_found(log: Log, damage: str) -> None:
    change, position, rules = COLUMNS[damage]
    change = f"UPDATE events_0002 SET {change} WHERE position = {position}"
    assert await rules_broken(log, change) == rules


@pytest.mark.parametrize("damage", STATEMENTS)
async def test_a_changed_end_or_a_gap_is_found(log: Log, damage: str) -> None:
    statement, rules = STATEMENTS[damage]
    assert await rules_broken(log, statement.replace(" FROM events WHERE", " FROM events_0002 WHERE")) == rules


@pytest.mark.parametrize("batch_events", [1, 2, 2000])
async def test_what_was_changed_is_named(log: Log, batch_events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification_module, "BATCH_EVENTS", batch_events)
    superuser: Any = await asyncpg.connect(log.dsn)
    await superuser.execute("""ALTER TABLE events_0002 DISABLE TRIGGER USER; DELETE FROM events_0002 WHERE position IN (3, 4);
        UPDATE events_0002 SET type = 'Other' WHERE position = 9""")
    stream = await superuser.fetchval("SELECT stream_id FROM events WHERE shard = 2 AND position = 9")
    await superuser.close()
    details = [finding.detail for finding in (await verify_ledger(log.pool, shards=TEST_SHARDS)).findings]
    assert "2:3 to 2:4 is missing" in details
    assert (
        f"2:9 (Other, version 9 of {stream}) was changed, or its hash was, or that of the version before it" in details
    )


async def test_records_past_the_checkpoint_are_looked_at_too(log: Log) -> None:
    history = log.histories[1]
    payment = history.recorded[-1]
    history.add(payment.event, stream="another")
    await log.write(history, apply=False)
    assert (await verify_ledger(log.pool, shards=TEST_SHARDS)).findings == ()
    superuser: Any = await asyncpg.connect(log.dsn)
    await superuser.execute("""ALTER TABLE events_0001 DISABLE TRIGGER USER;
        UPDATE events_0001 SET type = 'Other' WHERE position = (SELECT max(position) FROM events_0001)""")
    await superuser.close()
    findings = (await verify_ledger(log.pool, shards=TEST_SHARDS)).findings
    assert {finding.rule for finding in findings} == CHANGED
