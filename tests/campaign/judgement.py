"""All oracles over one drained installation: every promise, looked at from outside."""

import asyncio
import subprocess
from collections.abc import Sequence

from schemas.kafka_record import TOPIC
from tests.campaign.installation import Installation
from tests.campaign.traffic import Sent, Traffic
from tests.oracles.answers import faults_of_answers, faults_of_repeat
from tests.oracles.books import faults_against_psp, faults_of_books, faults_of_caps, read_books
from tests.oracles.ledger import faults_of_postings
from tests.oracles.psp import faults_of_psp, faults_of_waiting, intents_of, simulator_log
from tests.oracles.store import faults_of_log, faults_of_references, keys_on_disk
from tests.oracles.topic import faults_of_topic, stored_records

REPEATED = 150


async def faults_of_installation(installation: Installation, traffic: Traffic) -> list[str]:
    """Whatever does not hold; to be called once the load has ended and all is drained."""
    dsn = installation.postgres_dsn
    faults = await faults_of_traffic(installation, traffic)
    await installation.drained()
    records = await stored_records(dsn)
    intents = intents_of(records)
    log = await simulator_log(installation.psp_simulator)
    books = await read_books(dsn)
    faults += faults_of_log(records)
    faults += faults_of_references(records)
    faults += await faults_of_topic(dsn, installation.kafka_bootstrap, TOPIC)
    faults += faults_of_psp(log, intents)
    faults += await faults_of_waiting(dsn, intents)
    faults += await faults_of_postings(dsn)
    faults += faults_of_caps(intents)
    faults += faults_of_books(books, records, intents)
    faults += faults_against_psp(books, records, intents, log)
    return faults + await faults_of_rebuilding(installation)


async def faults_of_traffic(installation: Installation, traffic: Traffic) -> list[str]:
    """Keys in the log, and answers that change when they are asked for again."""
    on_disk = await keys_on_disk(installation.postgres_dsn)
    faults = faults_of_answers(traffic.sent, on_disk)
    faults += [f"a command key stands {times} times in the log" for times in on_disk.values() if times > 1]
    acknowledged = [sent for sent in traffic.sent if sent.acknowledged]
    for first, again in await traffic.repeat(_spread(acknowledged, REPEATED)):
        faults += faults_of_repeat(first, again)
    return faults


def _spread(sent: Sequence[Sent], number: int) -> list[Sent]:
    """At most `number` of them, from the first to the last."""
    return list(sent[:: max(1, len(sent) // number)])[:number]


async def faults_of_rebuilding(installation: Installation) -> list[str]:
    """The read models, computed anew from PostgreSQL and from Kafka beside the live ones, row for row."""
    return [
        *await _faults_of_call(installation, "ledger", "verify"),
        *await _faults_of_call(installation, "ledger", "rebuild", "--source", "kafka"),
        *await _faults_of_call(installation, "ledger", "rebuild", "--projection", "payments"),
    ]


async def _faults_of_call(installation: Installation, *arguments: str) -> list[str]:
    try:
        await asyncio.to_thread(installation.guilder, *arguments)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return [str(error)]
    return []
