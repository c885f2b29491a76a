"""The figures that the contract names are those with which processes are started, whatever tests tell their parts."""

import inspect

from bootstrap.processes.consumers import consumer_options
from bootstrap.settings import KafkaSettings, Settings
from command_api.preferences import DEFAULT_WAIT_S, MAX_WAIT_S
from event_store import StoreOptions
from projections.query_api import QueryServices
from schemas.codec import MAX_FRAME_BYTES


def test_a_client_waits_five_seconds_unless_it_says_otherwise_and_thirty_at_most() -> None:
    assert (DEFAULT_WAIT_S, MAX_WAIT_S) == (5, 30)


def test_a_read_model_is_waited_for_five_seconds() -> None:
    assert inspect.signature(QueryServices.open).parameters["max_wait_s"].default == 5


def test_a_consumer_that_stands_still_for_thirty_seconds_ends_and_one_that_is_ended_has_five() -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers="elsewhere:9092"))
    options = consumer_options(settings, "a_group", gather_s=0.01)
    assert (options.stalled_after_s, options.finish_within_s) == (30, 5)


def test_an_event_takes_64_kib_at_most_and_a_flush_256_commands() -> None:
    assert MAX_FRAME_BYTES == 65_536
    assert StoreOptions(dsn="postgresql://elsewhere/guilder").batch_limit == 256
    assert StoreOptions(dsn="postgresql://elsewhere/guilder").poll_interval_ms == 50
    assert StoreOptions(dsn="postgresql://elsewhere/guilder").notify_interval_ms == 5
