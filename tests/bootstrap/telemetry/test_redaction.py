"""No secret leaves by way of the logs, however it got into a line."""

import json
import logging
import random
import string
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from bootstrap.settings import PostgresSettings, PspSimulatorSettings, Settings
from bootstrap.telemetry.logs import log_formatter, secrets_of
from bootstrap.telemetry.redaction import Redaction
from schemas.card_numbers import is_card_number

PSP_KEY = "hunter2/hunter2"
BASE64_URL = string.ascii_letters + string.digits + "-_"
# What may stand around a secret: anything but what would make it part of a longer word or number.
ASCII_AROUND = st.text(st.sampled_from(" \n\t\"'()[]{},;|<>"))
AROUND = ASCII_AROUND | st.text(
    st.characters(codec="utf-8", exclude_categories=("L", "N", "Cs"), exclude_characters="-_ /@:+.~")
)


def with_check_digit(digits: str) -> str:
    return next(digits + last for last in string.digits if is_card_number(digits + last))


@st.composite
def card_numbers(draw: DrawFn) -> tuple[str, str]:
    """A card number, and how somebody might write it."""
    prefix, length = draw(st.sampled_from([("4", 16), ("51", 16), ("37", 15), ("6011", 16), ("2221", 16), ("4", 19)]))
    rest = draw(st.text(string.digits, min_size=length - len(prefix) - 1, max_size=length - len(prefix) - 1))
    number = with_check_digit(prefix + rest)
    group = draw(st.sampled_from([4, 6, 19]))
    separator = draw(st.sampled_from(["", " ", "-"]))
    return number, separator.join(number[start : start + group] for start in range(0, len(number), group))


@st.composite
def secrets(draw: DrawFn) -> tuple[str, str]:
    """What must not be seen, and the text that holds it."""
    match draw(st.sampled_from(["api key", "bearer", "basic", "header", "card", "psp", "dsn"])):
        case "api key":
            mode, body = draw(st.sampled_from(["live", "test"])), draw(st.text(BASE64_URL, min_size=8, max_size=70))
            return body, f"gk_{mode}_{body}"
        case "bearer":
            token = draw(st.text(BASE64_URL, min_size=8))
            return token, f"{draw(st.sampled_from(['Bearer', 'bearer', 'BEARER']))} {token}"
        case "basic":
            token = draw(st.text(BASE64_URL, min_size=8))
            return token, f"Authorization: Basic {token}"
        case "header":
            token = draw(st.text(BASE64_URL, min_size=8).filter(lambda text: not text.lower().startswith("b")))
            return token, draw(
                st.sampled_from(["authorization={}", '"Authorization": "{}"', "(b'authorization', b'{}')"])
            ).format(token)
        case "card":
            return draw(card_numbers())
        case "psp":
            return PSP_KEY, PSP_KEY
        case _:
            password = draw(st.text(BASE64_URL, min_size=8))
            return password, f"postgresql://guilder:{password}@db.example:5432/guilder"


def nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.just("a"), inner, min_size=1),
        max_leaves=3,
    )


def line_of(message: str, *args: object, error: Exception | None = None, **fields: Any) -> str:
    """The line that the standard library's logging comes to."""
    record = logging.LogRecord("library", logging.ERROR, __file__, 1, message, args, None)
    if error is not None:
        record.exc_info = (type(error), error, None)
    for name, value in fields.items():
        setattr(record, name, value)
    return log_formatter("api", [PSP_KEY]).format(record)


@settings(max_examples=150, deadline=None)
@given(secret=secrets(), before=AROUND, after=AROUND, data=st.data())
def test_no_secret_is_written_wherever_it_stands(
    secret: tuple[str, str], before: str, after: str, data: st.DataObject
) -> None:
    hidden, written = secret
    text = f"{before}{written}{after}"
    place = data.draw(st.sampled_from(["message", "argument", "field", "name", "error", "bytes", "nested"]))
    match place:
        case "message":
            line = line_of(text)
        case "argument":
            line = line_of("it said %r", text)
        case "field":
            line = line_of("it said", said=text)
        case "name":
            line = line_of("it said", said={text: 1})
        case "error":
            line = line_of("it failed", error=ValueError(text))
        case "bytes":
            line = line_of("it said", said=text.encode())
        case _:
            line = line_of("it said", said=data.draw(nested(st.just(text))))
    json.loads(line)
    assert hidden not in line
    assert written not in line


@settings(max_examples=40, deadline=None)
@given(st.text(string.ascii_letters + " ,.:;!?äß日", max_size=200))
def test_what_is_no_secret_stays_as_it_was(text: str) -> None:
    assert json.loads(line_of("%s", text, said=text))["said"] == text


@pytest.mark.parametrize(
    "harmless",
    [
        "01a21311-76c2-7003-88e5-c5abd4504df6",
        "pi_01M89H2XP2E01S48WE713337GW",
        "2026-11-25T14:17:21.485620Z",
        "4111111111111112",
        1_795_616_241_857,
        4_111,
        "the authorization of payment 17 was declined",
        "http://127.0.0.1:8080/v1/payment_intents",
        None,
        2.5,
        True,
    ],
)
def test_ids_times_and_figures_stay(harmless: Any) -> None:
    assert Redaction([PSP_KEY]).value(harmless) == harmless


@pytest.mark.parametrize("name", ["authorization", "Authorization", "api_key", "api-key", "password", "Set-Cookie"])
def test_a_field_of_that_name_is_never_shown(name: str) -> None:
    assert json.loads(line_of("it said", said={name: "anything"}))["said"] == {name: "[redacted]"}


def test_a_number_that_is_a_card_number_is_not_shown_either() -> None:
    line = json.loads(line_of("paid", card=4111111111111111, amount=1999))
    assert (line["card"], line["amount"]) == ("[card number]", 1999)


def test_a_card_number_among_other_figures_is_found() -> None:
    redaction = Redaction()
    assert redaction.text(repr("\x104111111111111111")) == "'\\x10[card number]'"
    assert redaction.text(repr("\U000426a04111111111111111")) == "'\\U000426a0[card number]'"
    for prefix in ("\\x", "\\u", "\\U"):
        assert redaction.text(prefix + "4111111111111111") == prefix + "[card number]"
    assert redaction.text(repr("\x1fBearer abc")) == "'\\x1fBearer [redacted]'"
    assert redaction.text("12 4111 1111 1111 1111 99") == "12 [card number] 99"
    assert redaction.text("4111-1111-1111-1111 4111-1111-1111-1111") == "[card number] [card number]"


def test_a_line_says_what_was_taken_out_and_keeps_the_rest() -> None:
    line = json.loads(line_of("Bearer gk_test_abc was sent to %s", "http://u:pw@h/", payment_intent_id="pi_1"))
    assert line["event"] == "Bearer [redacted] was sent to http://u:[redacted]@h/"
    assert (line["payment_intent_id"], line["process"], line["level"]) == ("pi_1", "api", "error")


def test_structlogs_own_lines_pass_the_same_way(caplog: pytest.LogCaptureFixture) -> None:
    event = structlog.stdlib.ProcessorFormatter.wrap_for_formatter(
        logging.getLogger("own"), "info", {"event": "a key", "key": f"gk_live_{'x' * 40}", "ids": {1, 2}}
    )
    (values,), extra = event
    record = logging.LogRecord("own", logging.INFO, __file__, 1, values, (), None)
    record.__dict__.update(extra["extra"])
    line = log_formatter("saga").format(record)
    assert json.loads(line)["key"] == "gk_live_[redacted]"


def test_a_process_knows_its_own_secrets() -> None:
    known = Settings(
        postgres=PostgresSettings(dsn="postgresql://me:a-password@db/x"),
        psp_simulator=PspSimulatorSettings(key="psp-key"),
    )
    assert secrets_of(known) == ["psp-key", "a-password"]
    past_a_pooler = PostgresSettings(
        dsn="postgresql://me@pooler/x?password=an%2Bother&sslmode=require", direct_dsn="postgresql://me:a%40b-word@db/x"
    )
    assert secrets_of(Settings(postgres=past_a_pooler)) == ["an%2Bother", "an+other", "a%40b-word", "a@b-word"]


def test_a_long_line_is_cheap_to_read() -> None:
    # No pattern may take quadratic time: a long run of digits and dashes is read well within the suite's patience.
    rng = random.Random(7)
    text = "".join(rng.choice("0123456789- ") for _ in range(50_000))
    assert len(Redaction([PSP_KEY]).text(text)) > 25_000


@pytest.mark.parametrize(
    "text",
    [
        "gk_live_abcdefgh",
        "Bearer abcdefgh",
        "basic abcdefgh",
        "AUTHORIZATION: abcdefgh",
        "a://b:abcdefgh@c",
        "abcdefgh",
    ],
)
def test_each_mark_of_a_secret_is_enough_by_itself(text: str) -> None:
    assert "abcdefgh" not in Redaction(["abcdefgh"] if text == "abcdefgh" else []).text(text)
