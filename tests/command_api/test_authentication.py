"""Keys: who is let in, what a key may do, and how soon it stops."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.merchant_desk import IssuedKey, MerchantDesk
from command_api.api_keys import key_sha256, parse_key, spell_key
from command_api.authentication import Authenticator
from command_api.merchants import MAX_AGE_S, Merchants
from event_store import EventStore
from schemas.errors import KeyRevoked
from schemas.identifiers import Prefix, parse_public_id, public_id, shard_of, uuid7
from tests.command_api.conversation import CARD, Client
from tests.command_api.psp_stand_in import PspStandIn
from tests.conftest import TEST_SHARDS

MERCHANT = uuid7(2, 1_790_000_000_000, bytes(range(8)))
SECRET = bytes(range(200, 232))


async def asked(http: httpx.AsyncClient, url: str, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return await http.get(f"{url}/v1/payment_intents/pi_{'0' * 26}", headers=headers)


def test_a_key_names_its_merchant_and_mode() -> None:
    for livemode in (True, False):
        text = spell_key(MERCHANT, SECRET, livemode=livemode)
        assert len(text) == len("gk_live_") + 26 + 1 + 43
        key = parse_key(text)
        assert key is not None
        assert (key.merchant_id, key.livemode) == (MERCHANT, livemode)
    assert "_" in spell_key(MERCHANT, b"\xff" * 32, livemode=True)[8 + 27 :]
    assert parse_key(spell_key(MERCHANT, b"\xff" * 32, livemode=True)) is not None


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer gk_live_short",
        "Bearer " + "x" * 600,
        f"Bearer {spell_key(MERCHANT, SECRET, livemode=False)}",
        f"Bearer {spell_key(uuid7(4000, 0, bytes(8)), SECRET, livemode=False)}",
        "Bearer gk_test_" + "Z" * 26 + "_" + "a" * 43,
    ],
)
async def test_what_was_never_issued_is_nobody(
    http: httpx.AsyncClient, api_url: str, authorization: str | None
) -> None:
    answer = await asked(http, api_url, authorization)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_one_changed_letter_makes_another_key(client: Client) -> None:
    wrong = client.api_key[:-1] + ("A" if client.api_key[-1] != "A" else "B")
    answer = await Client(client.http, client.url, wrong).create()
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_the_scheme_is_read_in_any_case(client: Client) -> None:
    answer = await asked(client.http, client.url, f"bEaReR {client.api_key}")
    assert answer.json()["code"] == "not_found"


async def test_a_stream_that_is_no_merchant_has_no_keys(client: Client) -> None:
    intent_id = (await client.create()).json()["id"]
    made_up = f"gk_test_{intent_id.removeprefix('pi_')}_{'a' * 43}"
    answer = await asked(client.http, client.url, f"Bearer {made_up}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def new_key(desk: MerchantDesk, *scopes: str, livemode: bool = False) -> IssuedKey:
    merchant_id = await desk.register("Keys", "SE")
    if scopes:
        return await desk.issue_key(merchant_id, livemode=livemode, scopes=scopes)
    return await desk.issue_key(merchant_id, livemode=livemode)


async def test_a_key_does_only_what_its_scopes_say(desk: MerchantDesk, client: Client) -> None:
    reader = Client(client.http, client.url, (await new_key(desk, "payments:read")).text)
    writer = Client(client.http, client.url, (await new_key(desk, "payments:write")).text)
    refused = await reader.create()
    assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (
        403,
        "scope_missing",
        "payments:write",
    )
    created = await writer.create()
    assert created.status_code == 201
    read = await writer.get(f"/v1/payment_intents/{created.json()['id']}")
    assert (read.status_code, read.json()["code"]) == (403, "scope_missing")


async def test_a_key_that_was_just_issued_works_at_once(desk: MerchantDesk, client: Client) -> None:
    first = await new_key(desk)
    assert (await Client(client.http, client.url, first.text).create()).status_code == 201
    second = await desk.issue_key(first.merchant_id, livemode=False)
    assert (await Client(client.http, client.url, second.text).create()).status_code == 201


async def test_a_revoked_key_stops_within_a_second(desk: MerchantDesk, client: Client) -> None:
    key = await new_key(desk)
    merchant = Client(client.http, client.url, key.text)
    assert (await merchant.create()).status_code == 201
    await desk.revoke_key(key.merchant_id, key.key_id, "lost")
    # What a process remembers of a merchant is never older than this, so a second is time enough.
    await asyncio.sleep(MAX_AGE_S)
    answer = await merchant.create()
    assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")
    assert MAX_AGE_S < 1


class StoppedClock:
    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms


async def test_a_key_expires_to_the_millisecond(store: EventStore, desk: MerchantDesk) -> None:
    key = await new_key(desk)
    expires_at = SYSTEM_CLOCK.now_ms() + 60_000
    text = spell_key(key.merchant_id, SECRET, livemode=True)
    await desk.issue_sha256(
        key.merchant_id, key_sha256(text), livemode=True, scopes=("payments:read",), expires_at=expires_at
    )
    clock = StoppedClock(expires_at - 1)
    authenticator = Authenticator(Merchants(store), clock, operator_key_sha256=None)
    headers: Mapping[str, str] = {"authorization": f"Bearer {text}"}
    assert (await authenticator.authenticate(headers)).livemode is True
    clock.at_ms = expires_at
    with pytest.raises(KeyRevoked):
        await authenticator.authenticate(headers)


@pytest.mark.parametrize("same_shard", [True, False])
async def test_another_merchants_intent_is_not_there(
    client: Client, desk: MerchantDesk, psp: PspStandIn, same_shard: bool
) -> None:
    intent_id = (await client.create()).json()["id"]
    shard = shard_of(parse_public_id(Prefix.PAYMENT_INTENT, intent_id))
    while (shard_of((key := await new_key(desk)).merchant_id) == shard) is not same_shard:
        pass
    stranger = Client(client.http, client.url, key.text)
    answers = [await stranger.get(f"/v1/payment_intents/{intent_id}")]
    for verb, body in (("authorize", {"payment_method": CARD}), ("capture", {}), ("refund", {}), ("cancel", {})):
        answers.append(await stranger.command(intent_id, verb, body))
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}
    assert (await psp.intent(intent_id)).version == 1


async def test_an_id_of_no_shard_of_ours_is_not_there(operator: Client) -> None:
    for shard in (1, TEST_SHARDS, 4095):
        intent_id = public_id(Prefix.PAYMENT_INTENT, uuid7(shard, 0, bytes(8)))
        read = await operator.get(f"/v1/payment_intents/{intent_id}")
        sent = await operator.command(intent_id, "cancel")
        assert [(one.status_code, one.json()["code"]) for one in (read, sent)] == [(404, "not_found")] * 2


@pytest.mark.parametrize("identifier", ["pi_1", "re_" + "0" * 26, "pi_" + "Z" * 26, "pi_" + "0" * 26, "x", "%00"])
async def test_an_id_that_names_nothing_is_not_there(client: Client, identifier: str) -> None:
    read = await client.get(f"/v1/payment_intents/{identifier}")
    sent = await client.command(identifier, "capture")
    assert [(one.status_code, one.json()["code"]) for one in (read, sent)] == [(404, "not_found")] * 2


async def test_live_and_test_do_not_mix(desk: MerchantDesk, client: Client) -> None:
    test_key = await new_key(desk)
    live_key = await desk.issue_key(test_key.merchant_id, livemode=True)
    in_test, in_live = (Client(client.http, client.url, key.text) for key in (test_key, live_key))
    made = (await in_live.create()).json()
    assert made["livemode"] is True
    read = await in_test.get(f"/v1/payment_intents/{made['id']}")
    sent = await in_test.command(made["id"], "cancel")
    said = await in_test.create(livemode=True)
    assert [(one.status_code, one.json()["code"]) for one in (read, sent, said)] == [(403, "livemode_mismatch")] * 3


async def test_a_body_may_name_its_merchant_and_no_other(client: Client, stranger: Client) -> None:
    own = (await client.create()).json()["merchant_id"]
    other = (await stranger.create()).json()["merchant_id"]
    assert (await client.create(merchant_id=own)).status_code == 201
    refused = await client.create(merchant_id=other)
    assert (refused.status_code, refused.json()["code"]) == (403, "merchant_mismatch")
    intent_id = (await client.create()).json()["id"]
    refused = await client.command(intent_id, "cancel", {"merchant_id": other})
    assert (refused.status_code, refused.json()["code"]) == (403, "merchant_mismatch")


async def test_the_operator_acts_for_any_merchant_it_names(operator: Client, client: Client) -> None:
    merchant_id = (await client.create()).json()["merchant_id"]
    created = await operator.create(merchant_id=merchant_id, livemode=False)
    assert (created.status_code, created.json()["merchant_id"]) == (201, merchant_id)
    assert (await client.get(f"/v1/payment_intents/{created.json()['id']}")).json() == created.json()
    canceled = await operator.command(created.json()["id"], "cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    unnamed = await operator.create()
    assert {(error["pointer"], error["code"]) for error in unnamed.json()["errors"]} == {
        ("/merchant_id", "missing"),
        ("/livemode", "missing"),
    }
    nobody = await operator.create(merchant_id=public_id(Prefix.MERCHANT, MERCHANT), livemode=False)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
