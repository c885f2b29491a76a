"""Operations: a command becomes durable, its outcome is awaited, and the answer is folded from the log.

Answers are not stored. The first one and every repeat are rendered alike: by folding the stream up to the operation's
own terminal event, which gives the same answer again because folding is deterministic.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent import Command, PaymentIntent
from command_api.conditions import VersionCondition, etag
from command_api.edge import ClientGone
from command_api.idempotency import HEADER as IDEMPOTENCY_KEY
from command_api.idempotency import NEW_COMMANDS, REPEATED_COMMANDS, CommandIdentity, identify, parse_idempotency_key
from command_api.merchants import Merchants
from command_api.ownership import IntentFacts, Ownership
from command_api.preferences import DEFAULT_WAIT_S, preferred_wait_s
from command_api.traces import traceparent_of
from event_store import AlreadyDone, EventStore, Stream
from schemas.clock import Clock, IdFactory
from schemas.envelope import Envelope, decode_envelope
from schemas.errors import FieldError, ValidationFailed
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.records import Record
from schemas.routes import Answer, Call

_NO_SUCH_VERSION: Final = -1

Render = Callable[[PaymentIntent, UUID], Any]


class CommandServices(msgspec.Struct, frozen=True):
    """What the handlers of this package work with."""

    store: EventStore
    merchants: Merchants
    ownership: Ownership
    clock: Clock
    ids: IdFactory


class Progress(msgspec.Struct, frozen=True):
    """An operation as a stream shows it: the intent just after its terminal event, or as it is while it is open.

    `position` is that of the last event that counted.
    """

    state: PaymentIntent
    position: int
    ended: bool


class Operation(msgspec.Struct, frozen=True):
    """One command on its way: the request it came with, what it is about, and under which ids it happens.

    `final_status` is what HTTP says once it has ended; until then it is 202.
    """

    call: Call
    intent_id: UUID
    operation_id: UUID
    facts: IntentFacts
    identity: CommandIdentity
    command: Command
    final_status: int
    expected_version: int | None = None


def identity_of(call: Call, facts: IntentFacts, path: str, canonical_body: bytes) -> CommandIdentity:
    """The identity of the call's command; raises what `parse_idempotency_key` raises."""
    key = parse_idempotency_key(call.headers.get(IDEMPOTENCY_KEY))
    return identify(
        facts.merchant_id, key, livemode=facts.livemode, method=call.method, path=path, canonical_body=canonical_body
    )


def intent_path(intent_id: UUID) -> str:
    """The path of an intent, spelled the one way that enters the request's hash."""
    return f"/v1/payment_intents/{public_id(Prefix.PAYMENT_INTENT, intent_id)}"


async def expected_version(services: CommandServices, call: Call, intent_id: UUID) -> int | None:
    """The version that `If-Match` asks for; null where anything goes, and an impossible one where nothing fits.

    Raises:
        ValidationFailed: the header holds something that is no entity tag, such as a version without its quotes.
    """
    header = call.headers.get("if-match")
    if header is None:
        return None
    condition = VersionCondition(header)
    if not condition.well_formed:
        raise ValidationFailed([FieldError("If-Match", "bad_format", 'must be entity tags such as "3", or *')])
    if condition.any_version:
        return None
    if len(condition.strong) == 1:
        return next(iter(condition.strong))
    version = (await services.store.load(intent_id)).version
    return version if condition.allows_change(version) else _NO_SUCH_VERSION


async def carry_out(services: CommandServices, operation: Operation, render: Render) -> Answer:
    """Run the operation's command, or attach to the operation that its key started before; then wait and answer.

    Raises:
        IdempotencyKeyReused: the key stands for another request.
        Rejected: whatever the aggregate or the store refuses the command with; nothing is stored then.
        ClientGone: the client closed the connection while the outcome was waited for; the operation goes on.
    """
    call = operation.call
    wait_s = preferred_wait_s(call.headers.get("prefer"))
    headers = {} if wait_s is None else {"Preference-Applied": f"wait={wait_s}"}
    operation_id = operation.operation_id
    try:
        executed = await services.store.execute(
            payment_intent,
            operation.intent_id,
            operation.command,
            envelope=_envelope(services, operation),
            event_ids=services.ids,
            command_key=operation.identity.key,
            request_hash=operation.identity.request_hash,
            expected_version=operation.expected_version,
        )
    except AlreadyDone as done:
        operation.identity.require_same_request(done.record)
        REPEATED_COMMANDS.inc()
        operation_id = _operation_of(done.record)
        stream = await services.store.load(done.record.stream_id)
        progress = progress_of(stream, operation_id)
        headers["Idempotent-Replayed"] = "true"
    else:
        NEW_COMMANDS.inc()
        stream = executed.stream
        ended = payment_intent.operation_ended_at(executed.state, operation_id) == executed.state.version
        progress = Progress(executed.state, stream.records[-1].position, ended)
    if wait_s is None:
        wait_s = DEFAULT_WAIT_S
    if wait_s and not progress.ended:
        progress = await _awaited(services, call, stream, operation_id, wait_s)
    return _answer(operation, operation_id, progress, render, headers)


def progress_of(stream: Stream, operation_id: UUID) -> Progress:
    """How far an operation has got in `stream`."""
    state = folded(stream)
    ended_at = payment_intent.operation_ended_at(state, operation_id)
    if ended_at is None:
        return Progress(state, stream.records[-1].position, ended=False)
    if ended_at < state.version:
        state = folded(stream, ended_at)
    return Progress(state, stream.records[ended_at - 1].position, ended=True)


def folded(stream: Stream, version: int | None = None) -> PaymentIntent:
    """The intent at `version` of its stream; null: at its end."""
    state = payment_intent.initial()
    for recorded in stream.records[:version]:
        state = payment_intent.evolve(state, recorded)
    return state


async def _awaited(services: CommandServices, call: Call, stream: Stream, operation_id: UUID, wait_s: int) -> Progress:
    def has_ended(newer: Stream) -> bool:
        return payment_intent.operation_ended_at(folded(newer), operation_id) is not None

    outcome = services.store.wait_for(
        stream.stream_id, after_version=stream.version, until=has_ended, deadline_s=wait_s
    )
    return progress_of(await _unless_gone(call, outcome), operation_id)


async def _unless_gone(call: Call, outcome: Coroutine[Any, Any, Stream]) -> Stream:
    """The outcome. Whoever has gone occupies no connection, so nothing else would bound how many are waited for."""
    if call.client_gone is None:
        return await outcome
    waiting, gone = asyncio.ensure_future(outcome), asyncio.ensure_future(call.client_gone())
    try:
        await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise ClientGone
        return waiting.result()
    finally:
        waiting.cancel()
        gone.cancel()


def _answer(
    operation: Operation, operation_id: UUID, progress: Progress, render: Render, headers: dict[str, str]
) -> Answer:
    state = progress.state
    headers["Guilder-Position"] = f"{shard_of(state.id)}:{progress.position}"
    headers["ETag"] = etag(state.version)
    return Answer(
        status=operation.final_status if progress.ended else 202, body=render(state, operation_id), headers=headers
    )


def _operation_of(first: Record) -> UUID:
    operation_id = decode_envelope(first.metadata).correlation_id
    assert operation_id is not None, "every command of the API is an operation"
    return operation_id


def _envelope(services: CommandServices, operation: Operation) -> Envelope:
    facts = operation.facts
    return Envelope(
        effective_at=services.clock.now_ms(),
        merchant_id=facts.merchant_id,
        livemode=facts.livemode,
        currency=facts.currency,
        actor=operation.call.principal.actor,
        source="http",
        correlation_id=operation.operation_id,
        causation_id=None,
        traceparent=traceparent_of(operation.call.headers.get("traceparent")),
    )
