"""`guilder merchant` as an operator calls it, on a real database."""

import asyncio

from bootstrap.demo.seed import RATE_PPM, SETTLEMENT_DELAY_S, seed
from bootstrap.settings import PostgresSettings, Settings
from command_api.api_keys import key_sha256, parse_key
from tests.bootstrap.cli.conftest import Shell, merchant_of
from tests.conftest import TEST_SHARDS


def test_whoever_registers_a_merchant_hears_that_it_pays_no_fees_yet(shell: Shell) -> None:
    code, out, err = shell.run("merchant", "create", "--name", "A", "--country", "DE")
    merchant_id = dict(line.split(maxsplit=1) for line in out.splitlines())["merchant_id"]
    assert (code, err.startswith("No platform fee")) == (0, True)
    assert f"`guilder merchant fees {merchant_id}`" in err
    assert shell.run("merchant", "create", "--name", "B", "--country", "DE", "--json")[2] == ""


def test_a_merchant_gets_keys_and_loses_them(shell: Shell, database: str) -> None:
    created = shell.json("merchant", "create", "--name", "Ångström & Söhne", "--country", "se")
    assert (created["name"], created["country"]) == ("Ångström & Söhne", "SE")
    live = shell.json(
        "merchant",
        "key",
        "issue",
        created["merchant_id"],
        "--live",
        "--scope",
        "payments:read",
        "--scope",
        "audit:read",
    )
    assert (live["livemode"], live["scopes"]) == (True, ["payments:read", "audit:read"])
    code, out, _ = shell.run("merchant", "key", "issue", created["merchant_id"])
    assert code == 0
    shown = dict(line.split(maxsplit=1) for line in out.splitlines())
    key = parse_key(shown["api_key"])
    assert key is not None
    assert not key.livemode

    known = merchant_of(database, created["merchant_id"])
    assert {stored.sha256 for stored in known.keys.values()} == {
        key_sha256(live["api_key"]),
        key_sha256(shown["api_key"]),
    }

    # By its id alone the key is searched for, with its merchant it is found.
    first = shell.json("merchant", "key", "revoke", live["key_id"])
    second = shell.json("merchant", "key", "revoke", shown["key_id"], "--merchant", created["merchant_id"])
    assert (first["merchant_id"], first["revoked"], second["revoked"]) == (created["merchant_id"], True, True)
    known = merchant_of(database, created["merchant_id"])
    assert all(stored.revoked_at is not None for stored in known.keys.values())


def test_what_is_wrong_is_said_in_a_sentence(shell: Shell) -> None:
    created = shell.json("merchant", "create", "--name", "A", "--country", "DE")
    nobody = "mer_" + "0" * 26
    for arguments, code, said in (
        (("merchant", "create", "--name", "A", "--country", "Germany"), 1, "--country has to be an ISO 3166-1"),
        (("merchant", "create", "--name", "", "--country", "DE"), 1, "--name has to be 1 to 200 characters"),
        (("merchant", "key", "issue", nobody), 1, "no such merchant"),
        (
            ("merchant", "key", "issue", created["merchant_id"], "--scope", "everything"),
            1,
            "--scope has to be one or more of",
        ),
        (("merchant", "key", "revoke", "key_" + "0" * 26), 1, "no such key"),
        (("merchant", "key", "issue", "somebody"), 2, "'MERCHANT': an id of this kind is mer_"),
        (("merchant", "key", "revoke", "gk_test_1"), 2, "'KEY_ID': an id of this kind is key_"),
    ):
        returned, out, err = shell.run(*arguments)
        assert returned == code, err
        assert said in err
        assert "Traceback" not in err
        assert out == ""


def test_the_demo_merchant_has_the_terms_of_the_tour(database: str) -> None:
    merchant_id, api_key = asyncio.run(seed(Settings(shards=TEST_SHARDS, postgres=PostgresSettings(dsn=database))))
    known = merchant_of(database, merchant_id)
    assert (known.fee_plan.rate_ppm, known.fee_plan.fixed["EUR"]) == (RATE_PPM, 30) == (29_000, 30)
    assert known.settlement_delay_s == SETTLEMENT_DELAY_S == 5
    (key,) = known.keys.values()
    assert key.sha256 == key_sha256(api_key)
    assert not key.livemode
