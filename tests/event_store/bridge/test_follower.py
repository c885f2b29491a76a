"""The follower in `docs/follower` does what its page says."""

import asyncio
import contextlib
import io
import re
import sys
from pathlib import Path
from uuid import UUID

import pytest

from event_store import Append, EventStore, NewEvent, StoreOptions
from schemas.codec import encode
from schemas.events import Event, FundsMadeAvailable, PaymentCaptured, PaymentIntentCreated
from schemas.events.fees import IntentFeePlan, PlatformFee
from schemas.events.psp import PspFee, PspResult
from tests.contract.samples import ENVELOPE, CountedIds

FOLDER = Path(__file__).parents[3] / "docs" / "follower"
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)


def snippets() -> list[str]:
    return SNIPPET.findall((FOLDER / "README.md").read_text(encoding="utf-8"))


def run(snippet: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, str(FOLDER / "README.md"), "exec"), {})  # noqa: S102 - our own document
    return printed.getvalue()


def created(currency: str) -> PaymentIntentCreated:
    return PaymentIntentCreated(
        amount=10_000,
        currency=currency,
        exponent=2,
        capture_method="manual",
        reference=None,
        statement_descriptor=None,
        metadata={},
        return_url=None,
        fee_plan=IntentFeePlan(
            version=0, rate_ppm=0, fixed=0, refund_fee=0, returned_on_refund=False, rounding="half_up"
        ),
        settlement_delay_s=0,
    )


def captured(amount: int, ids: CountedIds) -> PaymentCaptured:
    return PaymentCaptured(
        result=PspResult(
            operation_id=ids.new_id(0),
            attempt_id=ids.new_id(0),
            psp="simulator",
            psp_account="main",
            psp_reference=None,
            psp_operation_reference=None,
            network_reference=None,
            psp_processed_at=None,
            resolved_by="http",
            tries=1,
            raw_sha256=None,
        ),
        capture_id=ids.new_id(0),
        amount=amount,
        final=False,
        hold_released=amount,
        platform_fee=PlatformFee(percent=0, fixed=0, total=0),
        fee_plan_version=0,
        psp_fee=PspFee(amount=0, currency="EUR", status="known"),
        available_on=0,
    )


async def append(store: EventStore, ids: CountedIds, stream_id: UUID, *events: Event) -> None:
    stream = await store.load(stream_id)
    new = tuple(NewEvent(ids.new_id(0), type(event).__name__, encode(event), ENVELOPE.canonical()) for event in events)
    await store.append(Append(stream_id, stream.version, stream.record_hash, new))


async def test_the_page_shows_what_was_captured(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = CountedIds()
    store = await EventStore.open(StoreOptions(dsn=database))
    euros, yen = ids.new_id(0), ids.new_id(0)
    await append(store, ids, euros, created("EUR"), captured(6_000, ids))
    await append(store, ids, yen, created("JPY"), captured(500, ids))
    await append(store, ids, euros, captured(3_000, ids))
    # What is newest is mostly something else than what the page counts.
    await append(store, ids, yen, FundsMadeAvailable(capture_id=ids.new_id(0), amount=500, available_on=0))
    monkeypatch.setenv("GUILDER_POSTGRES__DSN", database)
    monkeypatch.setenv("GUILDER_SHARD", "0")
    monkeypatch.syspath_prepend(str(FOLDER))
    (snippet,) = snippets()
    try:
        assert await asyncio.to_thread(run, snippet) == "EUR 9000\nJPY 500\n"
    finally:
        sys.modules.pop("captured_totals", None)
        await store.close()
