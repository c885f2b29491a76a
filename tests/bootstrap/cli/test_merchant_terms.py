"""What a merchant pays and when it gets its money, as an operator sets and reads it."""

import asyncio
import re
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.cli.merchant_terms import parse_amount, parse_rate, rate_text
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore, StoreOptions
from schemas.identifiers import Prefix, parse_public_id, public_id
from schemas.money import Money
from tests.bootstrap.cli.conftest import Shell, merchant_of

PLAN = ("--rate", "2.9%", "--fixed", "EUR=30", "--fixed", "jpy=40", "--refund-fee", "EUR=25", "--returned-on-refund")


@pytest.mark.parametrize(
    ("text", "rate_ppm"),
    [("2.9%", 29_000), ("0%", 0), ("0.0001%", 1), ("0.25%", 2_500), ("100%", 1_000_000), ("100.0000%", 1_000_000)],
)
def test_a_rate_is_an_exact_percentage(text: str, rate_ppm: int) -> None:
    assert parse_rate(text) == rate_ppm


@given(st.integers(0, 1_000_000))
def test_a_rate_that_is_shown_can_be_written_again(rate_ppm: int) -> None:
    assert parse_rate(rate_text(rate_ppm)) == rate_ppm


# A number alone could be percent, a fraction or parts per million: none of them is guessed.
@pytest.mark.parametrize(
    "text", ["2.9", "0.029", "29000", "2,9%", "-1%", "101%", "100.0001%", "2.90001%", "2.9 %", "%", "1e1%", "٣%", ""]
)
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"as in 2\.9%"):
        parse_rate(text)


def test_an_amount_is_a_currency_and_minor_units() -> None:
    assert parse_amount("EUR=30") == Money(30, "EUR")
    assert parse_amount("jpy=0") == Money(0, "JPY")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((text, "as in EUR=30") for text in ("EUR30", "EUR:30", "EUR=", "=30", "30", "EUR=0.30", "EUR=30,USD=30", "")),
        ("EUR=" + "9" * 5000, "as in EUR=30"),
        ("XAU=1", "'XAU' is no ISO 4217 currency"),
        ("EURO=1", "'EURO' is no ISO 4217 currency"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        parse_amount(text)


def test_a_plan_is_set_and_shown_and_the_next_one_replaces_it_whole(shell: Shell, database: str) -> None:
    merchant_id = shell.json("merchant", "create", "--name", "A", "--country", "DE")["merchant_id"]
    plan = {
        "fee_plan_version": 1,
        "rate": "2.9%",
        "rate_ppm": 29_000,
        "fixed": {"EUR": 30, "JPY": 40},
        "refund_fee": {"EUR": 25},
        "returned_on_refund": True,
    }
    assert shell.json("merchant", "fees", merchant_id, *PLAN) == {
        "merchant_id": merchant_id,
        **plan,
        "settlement_delay_s": 172_800,
        "changed": True,
    }
    known = merchant_of(database, merchant_id).fee_plan
    assert (known.rate_ppm, known.fixed, known.refund_fee) == (29_000, {"EUR": 30, "JPY": 40}, {"EUR": 25})
    assert known.returned_on_refund

    again = shell.json("merchant", "fees", merchant_id, *PLAN)
    assert (again["fee_plan_version"], again["changed"]) == (1, False)

    code, out, _ = shell.run("merchant", "fees", merchant_id, "--rate", "0.25%", "--fixed", "USD=5")
    assert code == 0
    assert read(out) == {
        "merchant_id": merchant_id,
        "fee_plan_version": "2",
        "rate": "0.25%",
        "rate_ppm": "2500",
        "fixed": "USD=5",
        "refund_fee": "none",
        "returned_on_refund": "False",
        "settlement_delay_s": "172800",
        "changed": "True",
    }
    assert merchant_of(database, merchant_id).fee_plan.refund_fee == {}


def test_a_settlement_delay_is_set_in_seconds(shell: Shell, database: str) -> None:
    merchant_id = shell.json("merchant", "create", "--name", "A", "--country", "DE")["merchant_id"]
    first = shell.json("merchant", "settlement-delay", merchant_id, "3600")
    again = shell.json("merchant", "settlement-delay", merchant_id, "3600")
    assert (first["settlement_delay_s"], first["changed"], again["changed"]) == (3600, True, False)
    assert first["fee_plan_version"] == 0
    assert merchant_of(database, merchant_id).settlement_delay_s == 3600


def test_create_says_that_no_fee_is_taken_yet_and_how_to_set_one(shell: Shell) -> None:
    code, out, err = shell.run("merchant", "create", "--name", "A", "--country", "DE")
    merchant_id = read(out)["merchant_id"]
    assert code == 0
    assert err == f"No platform fee is taken of it yet: `guilder merchant fees {merchant_id}` sets one.\n"


def test_show_lists_the_terms_and_the_keys_and_no_secret(shell: Shell, database: str) -> None:
    merchant_id = shell.json("merchant", "create", "--name", "Ångström & Söhne", "--country", "SE")["merchant_id"]
    assert shell.json("merchant", "show", merchant_id)["keys"] == []
    assert read(shell.run("merchant", "show", merchant_id)[1])["keys"] == "none"
    shell.json("merchant", "fees", merchant_id, *PLAN)
    live = shell.json("merchant", "key", "issue", merchant_id, "--live", "--scope", "audit:read")
    test = shell.json("merchant", "key", "issue", merchant_id)
    expired = asyncio.run(issue_expired(database, merchant_id))
    shell.json("merchant", "key", "revoke", live["key_id"])

    shown = shell.json("merchant", "show", merchant_id)
    assert (shown["name"], shown["country"], shown["fee_plan_version"]) == ("Ångström & Söhne", "SE", 1)
    assert (shown["rate_ppm"], shown["fixed"]["JPY"], shown["settlement_delay_s"]) == (29_000, 40, 172_800)
    keys = {key["key_id"]: key for key in shown["keys"]}
    assert {key_id: (key["livemode"], key["status"]) for key_id, key in keys.items()} == {
        live["key_id"]: (True, "revoked"),
        test["key_id"]: (False, "active"),
        expired: (False, "expired"),
    }
    assert keys[live["key_id"]]["scopes"] == ["audit:read"]
    assert keys[live["key_id"]]["revoked_at"] > keys[live["key_id"]]["issued_at"]
    assert keys[test["key_id"]]["revoked_at"] is keys[test["key_id"]]["expires_at"] is None
    assert keys[expired]["expires_at"] == "1970-01-01T00:00:00.001Z"

    code, out, _ = shell.run("merchant", "show", merchant_id)
    assert code == 0
    assert re.search(rf"{live['key_id']}  live  revoked  audit:read$", out, re.MULTILINE)
    assert re.search(rf"{test['key_id']}  test  active   payments:read payments:write ledger:read$", out, re.MULTILINE)
    secrets = [
        live["api_key"],
        test["api_key"],
        *(key.sha256 for key in merchant_of(database, merchant_id).keys.values()),
    ]
    assert [secret for secret in secrets if secret in out or secret in str(shown)] == []


async def issue_expired(dsn: str, merchant_id: str) -> str:
    store = await EventStore.open(StoreOptions(dsn=dsn))
    try:
        desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
        owner = parse_public_id(Prefix.MERCHANT, merchant_id)
        return public_id(Prefix.API_KEY, await desk.issue_sha256(owner, "ab" * 32, livemode=False, expires_at=1))
    finally:
        await store.close()


def test_what_is_wrong_is_said_in_a_sentence_that_names_the_option(shell: Shell, database: str) -> None:
    merchant_id = shell.json("merchant", "create", "--name", "A", "--country", "DE")["merchant_id"]
    nobody = "mer_" + "0" * 26
    rate = ("--rate", "1%")
    most = "0 to 999999999999"
    wrong: list[tuple[tuple[str, ...], int, str]] = [
        (("fees", nobody, *rate), 1, "There is no such merchant."),
        (("settlement-delay", nobody, "5"), 1, "There is no such merchant."),
        (("show", nobody), 1, "There is no such merchant."),
        (("show", "key_" + "0" * 26), 2, "'MERCHANT': an id of this kind is mer_"),
        (("fees", "somebody", *rate), 2, "'MERCHANT': an id of this kind is mer_"),
        (("fees", merchant_id), 2, "Missing option '--rate'"),
        (("fees", merchant_id, "--rate", "2.9"), 2, "'--rate': '2.9' is no percentage"),
        (("fees", merchant_id, *rate, "--fixed", "EUR30"), 2, "'--fixed': 'EUR30' is not a currency and"),
        (("fees", merchant_id, *rate, "--refund-fee", "XAU=1"), 2, "'--refund-fee': 'XAU' is no ISO 4217"),
        (("fees", merchant_id, *rate, "--fixed", "EUR=1", "--fixed", "eur=1"), 2, "--fixed: EUR is named twice"),
        (("fees", merchant_id, *rate, "--fixed", "EUR=-5"), 1, f"--fixed EUR has to be {most}"),
        (("fees", merchant_id, *rate, "--refund-fee", "EUR=1000000000000"), 1, f"--refund-fee EUR has to be {most}"),
        (("settlement-delay", merchant_id), 2, "Missing argument 'SECONDS'"),
        (("settlement-delay", merchant_id, "2d"), 2, "'SECONDS': '2d' is no whole number of seconds"),
        (("settlement-delay", merchant_id, "--days", "2"), 2, "'--days' is no whole number of seconds"),
        (("settlement-delay", merchant_id, "1.5"), 2, "'1.5' is no whole number of seconds"),
        (("settlement-delay", merchant_id, "-5"), 1, "SECONDS has to be 0 to 31536000"),
        (("settlement-delay", merchant_id, "99999999999999999999"), 1, "SECONDS has to be 0 to 31536000"),
    ]  # fmt: skip
    for arguments, code, said in wrong:
        returned, out, err = shell.run("merchant", *arguments)
        assert returned == code, err
        assert said in unwrapped(err)
        assert "Traceback" not in err
        assert out == ""
    known = merchant_of(database, merchant_id)
    assert (known.version, known.fee_plan.version, known.settlement_delay_s) == (1, 0, 172_800)


def read(out: str) -> dict[str, Any]:
    """Name → value of what a verb prints."""
    return dict(line.split(maxsplit=1) for line in out.splitlines())


def unwrapped(err: str) -> str:
    """A sentence that the framework has put into a box, on one line again."""
    return " ".join(err.replace("│", " ").split())
