"""given / when / then for the payment intent: a scenario is a value; each step gives a new one.

`given(...)` decides commands and folds their events, going through the wire frame each time. `when` is the command under
test; `then`, `rejected` and `nothing` say what it must cause. The commands are those of
`commands.py` beside this file.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent.commands import Command, CreatePaymentIntent, RequestAuthorization
from aggregates.payment_intent.state import PaymentIntent
from schemas.codec import decode, encode
from schemas.envelope import Actor, Envelope
from schemas.errors import Rejected
from schemas.events import Event
from schemas.identifiers import derived_id
from schemas.records import RecordedEvent
from tests.aggregates.commands import SHARD, T0, named

STREAM = derived_id(SHARD, "stream")
MERCHANT = derived_id(SHARD, "merchant")


def correlation_of(command: Command) -> UUID | None:
    """The operation that the edge or the saga would put on the events of `command`."""
    match command:
        case CreatePaymentIntent(authorize=None):
            return named("create")
        case CreatePaymentIntent(authorize=RequestAuthorization(operation_id=operation_id)):
            return operation_id
        case _:
            return getattr(command, "operation_id", None)


class Scenario(msgspec.Struct, frozen=True):
    """A stream so far, its fold, and what the last command caused."""

    state: PaymentIntent = payment_intent.initial()
    history: tuple[RecordedEvent, ...] = ()
    caused: tuple[Event, ...] = ()

    def given(self, *commands: Command | Sequence[Command]) -> "Scenario":
        """After these commands, each of which must be accepted."""
        scenario = self
        for command in commands:
            for one in command if isinstance(command, Sequence) else (command,):
                scenario = scenario.after(one)
        return scenario

    def after(self, command: Command) -> "Scenario":
        """After one command; deciding it again must give the same events."""
        events = payment_intent.decide(command, self.state)
        assert payment_intent.decide(command, self.state) == events
        return self.recording(events, correlation_of(command))

    def recording(self, events: Sequence[Event], correlation_id: UUID | None = None) -> "Scenario":
        """The stream with `events` appended, as they read after a journey through the wire frame."""
        state, history = self.state, list(self.history)
        for event in events:
            travelled = decode(encode(event))
            assert travelled == event
            recorded = _recorded(travelled, len(history) + 1, correlation_id)
            state = payment_intent.evolve(state, recorded)
            history.append(recorded)
        return Scenario(state, tuple(history), tuple(events))

    def when(self, command: Command) -> "Outcome":
        """The command under test."""
        try:
            return Outcome(before=self, after=self.after(command))
        except Rejected as rejected:
            return Outcome(before=self, refusal=rejected)


class Outcome(msgspec.Struct, frozen=True):
    """What the command under test caused: events, or a refusal."""

    before: Scenario
    after: Scenario | None = None
    refusal: Rejected | None = None

    def then(self, *expected: type[Event] | Event) -> Scenario:
        """Exactly these events: a type stands for any of it, an event for itself."""
        assert self.after is not None, f"refused: {self.refusal!r}"
        shown = tuple(
            type(event) if isinstance(want, type) else event
            for want, event in zip(expected, self.after.caused, strict=False)
        )
        assert shown == expected
        assert len(self.after.caused) == len(expected), self.after.caused
        return self.after

    def nothing(self) -> Scenario:
        """It was accepted and nothing is left to do."""
        return self.then()

    def rejected(self, refusal: type[Rejected], **extensions: object) -> Scenario:
        """It was refused, with these members in the problem document."""
        assert self.refusal is not None, f"accepted: {self.after and self.after.caused}"
        assert type(self.refusal) is refusal
        shown = {name: self.refusal.extensions.get(name) for name in extensions}
        assert shown == extensions
        return self.before


def given(*commands: Command | Sequence[Command]) -> Scenario:
    """A payment intent after these commands."""
    return Scenario().given(*commands)


def _recorded(event: Event, version: int, correlation_id: UUID | None) -> RecordedEvent:
    return RecordedEvent(
        event=event,
        envelope=Envelope(
            effective_at=T0,
            merchant_id=MERCHANT,
            livemode=False,
            currency="EUR",
            actor=Actor(type="system", id="test"),
            source="http",
            correlation_id=correlation_id,
            causation_id=None,
            traceparent=None,
        ),
        event_id=named(f"event-{version}"),
        stream_id=STREAM,
        version=version,
        shard=SHARD,
        position=version,
        recorded_at=T0 + version,
    )


def only(event_type: type[Event], scenario: Scenario) -> Any:
    """The one event of a type that the last command caused."""
    (event,) = [event for event in scenario.caused if isinstance(event, event_type)]
    return event
