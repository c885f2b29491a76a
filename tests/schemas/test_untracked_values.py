"""Values are frozen and made of values, so no reference cycle can come of them: the collector need not look at them."""

import gc
from typing import Any

import msgspec
import pytest

import aggregates.merchant.state
import aggregates.payment_intent.commands
import aggregates.payment_intent.state
import event_store.stream
import event_store.stream_cache
import schemas.envelope
import schemas.money
import schemas.records
from schemas import events

MODULES = (
    aggregates.merchant.state,
    aggregates.payment_intent.commands,
    aggregates.payment_intent.state,
    event_store.stream,
    event_store.stream_cache,
    events,
    schemas.envelope,
    schemas.money,
    schemas.records,
)
VALUES = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and not value.__name__.startswith(("_", "Struct"))
    },
    key=lambda value: (value.__module__, value.__name__),
)


def test_there_are_values() -> None:
    assert len(VALUES) > 50


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_a_value_is_none_of_the_collectors_business(value: Any) -> None:
    config = value.__struct_config__
    assert config.frozen
    assert not config.gc


def test_the_collector_is_told_of_none_of_them() -> None:
    assert not gc.is_tracked(schemas.money.Money(100, "EUR"))
    assert not gc.is_tracked(schemas.envelope.Actor(type="operator", id="operator"))
