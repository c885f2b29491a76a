"""`guilder merchant`: register merchants, set their terms, and issue and revoke their API keys."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar, get_args
from uuid import UUID

import msgspec
import typer
from rich.console import Console

from aggregates.merchant import ApiKey, Merchant
from bootstrap.cli.connection import connected_settings
from bootstrap.cli.database import run_at
from bootstrap.cli.merchant_terms import by_currency, parse_amount, parse_rate, parse_seconds, terms_of
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import DEFAULT_SCOPES, MerchantDesk
from bootstrap.processes.connections import shell_store_options
from event_store import EventStore, Executed
from schemas.errors import FieldError, Rejected, ValidationFailed
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id
from schemas.money import Money
from schemas.routes import Scope
from schemas.timestamps import rfc3339, rfc3339_or_null

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Register merchants, set their terms, and issue and revoke their API keys.",
)
key_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Issue and revoke API keys.")
app.add_typer(key_app, name="key")

Result = TypeVar("Result")
_FAILED: Final = 1
_SCOPES: Final = f"One of {', '.join(get_args(Scope))}; without it {', '.join(DEFAULT_SCOPES)}."

# What the commands call it → what is written on the command line, where that is not `--` and the same word.
_WRITTEN: Final = {"scopes": "--scope", "refund_fee": "--refund-fee", "delay_s": "SECONDS"}


def _merchant_id(text: str) -> UUID:
    return _parsed(Prefix.MERCHANT, text)


def _key_id(text: str) -> UUID:
    return _parsed(Prefix.API_KEY, text)


def _parsed(prefix: Prefix, text: str) -> UUID:
    try:
        return parse_public_id(prefix, text)
    except MalformedId as error:
        raise typer.BadParameter(str(error)) from None


MerchantId = Annotated[UUID, typer.Argument(metavar="MERCHANT", help="mer_…", parser=_merchant_id)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def merchant() -> None:
    """Register merchants, set their terms, and issue and revoke their API keys."""


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the merchant is called.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2, as in DE.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Register a merchant and print its id."""
    merchant_id = _at_desk(lambda desk: desk.register(name, country.upper()))
    public = public_id(Prefix.MERCHANT, merchant_id)
    _show({"merchant_id": public, "name": name, "country": country.upper()}, as_json)
    if not as_json:
        typer.echo(f"No platform fee is taken of it yet: `guilder merchant fees {public}` sets one.", err=True)


@app.command()
def fees(
    merchant_id: MerchantId,
    rate: Annotated[int, typer.Option(parser=parse_rate, metavar="PERCENT", help="Of what is captured, as in 2.9%.")],
    fixed: Annotated[
        list[Money] | None,
        typer.Option(
            parser=parse_amount,
            metavar="CURRENCY=AMOUNT",
            help="Once a payment, in minor units, as in EUR=30; several times for several currencies.",
        ),
    ] = None,
    refund_fee: Annotated[
        list[Money] | None,
        typer.Option(
            parser=parse_amount,
            metavar="CURRENCY=AMOUNT",
            help="For each refund, in minor units; several times for several currencies.",
        ),
    ] = None,
    *,
    returned_on_refund: Annotated[
        bool, typer.Option("--returned-on-refund", help="A refund gives its share of the fee back; else it is kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set what the platform takes of payments created from now on: the whole plan, in place of the one before."""
    fixed_by, refund_fee_by = by_currency("--fixed", fixed or ()), by_currency("--refund-fee", refund_fee or ())
    done = _at_desk(
        lambda desk: desk.set_fee_plan(
            merchant_id,
            rate_ppm=rate,
            fixed=fixed_by,
            refund_fee=refund_fee_by,
            returned_on_refund=returned_on_refund,
        )
    )
    _show_terms(done, as_json)


# So that -5 is a number out of its range, not an option that nobody knows.
@app.command("settlement-delay", context_settings={"ignore_unknown_options": True})
def settlement_delay(
    merchant_id: MerchantId,
    seconds: Annotated[int, typer.Argument(parser=parse_seconds, metavar="SECONDS", help="Two days are 172800.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Set how many seconds after a capture its money becomes available, for payments created from now on."""
    _show_terms(_at_desk(lambda desk: desk.set_settlement_delay(merchant_id, seconds)), as_json)


@app.command()
def show(merchant_id: MerchantId, *, as_json: AsJson = False) -> None:
    """Show who a merchant is, its terms, and its keys without what is secret of them."""
    known = _at_desk(lambda desk: desk.find(merchant_id))
    now_ms = SYSTEM_CLOCK.now_ms()
    keys = [_outwardly(key, now_ms) for key in known.keys.values()]
    _show(
        {
            "merchant_id": public_id(Prefix.MERCHANT, known.id),
            "name": known.name,
            "country": known.country,
            "registered_at": rfc3339(known.registered_at),
            **terms_of(known),
            "keys": keys if as_json else "\n".join(map(_line_of, keys)) or "none",
        },
        as_json,
    )


@key_app.command()
def issue(
    merchant_id: MerchantId,
    scope: Annotated[list[str] | None, typer.Option(help=f"May be given several times. {_SCOPES}")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="For real money; without it the key is of test mode.")] = False,
    as_json: AsJson = False,
) -> None:
    """Issue an API key and print it, this once."""
    key = _at_desk(lambda desk: desk.issue_key(merchant_id, livemode=live, scopes=scope or DEFAULT_SCOPES))
    _show(
        {
            "merchant_id": public_id(Prefix.MERCHANT, key.merchant_id),
            "key_id": public_id(Prefix.API_KEY, key.key_id),
            "api_key": key.text,
            "livemode": key.livemode,
            "scopes": list(key.scopes),
        },
        as_json,
    )


@key_app.command()
def revoke(
    key_id: Annotated[
        UUID,
        typer.Argument(metavar="KEY_ID", help="key_…, as `merchant show` lists it; not the key.", parser=_key_id),
    ],
    owner: Annotated[
        UUID | None,
        typer.Option(
            "--merchant",
            metavar="MERCHANT",
            help="Whose key it is; without it the key's shard is searched.",
            parser=_merchant_id,
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "revoked by the operator",
    *,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key: it stops working within a second."""

    async def revoke_at(desk: MerchantDesk) -> UUID:
        found = owner if owner is not None else await desk.owner_of_key(key_id)
        await desk.revoke_key(found, key_id, reason)
        return found

    found = _at_desk(revoke_at)
    _show(
        {
            "merchant_id": public_id(Prefix.MERCHANT, found),
            "key_id": public_id(Prefix.API_KEY, key_id),
            "revoked": True,
        },
        as_json,
    )


def _at_desk(work: Callable[[MerchantDesk], Awaitable[Result]]) -> Result:
    """What `work` does at the desk of the running installation; a refusal is one sentence and exit code 1."""
    options = shell_store_options(connected_settings())

    async def at_desk() -> Result:
        store = await EventStore.open(options)
        try:
            return await work(MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS))
        finally:
            await store.close()

    try:
        return run_at(options.dsn, at_desk)
    except ValidationFailed as refusal:
        _complain("; ".join(map(_sentence, refusal.errors)))
        raise typer.Exit(_FAILED) from None
    except Rejected as refusal:
        _complain(refusal.detail)
        raise typer.Exit(_FAILED) from None


def _sentence(error: FieldError) -> str:
    """What is wrong, by the option that the operator wrote: `--fixed EUR` for `/fixed/EUR`."""
    field, *inside = error.pointer.removeprefix("/").split("/")
    return f"{' '.join([_WRITTEN.get(field, f'--{field}'), *inside])} has to be {error.detail}"


def _outwardly(key: ApiKey, now_ms: int) -> dict[str, Any]:
    status = "revoked" if key.revoked_at is not None else "active" if key.works_at(now_ms) else "expired"
    return {
        "key_id": public_id(Prefix.API_KEY, key.id),
        "livemode": key.livemode,
        "status": status,
        "scopes": list(key.scopes),
        "issued_at": rfc3339(key.issued_at),
        "expires_at": rfc3339_or_null(key.expires_at),
        "revoked_at": rfc3339_or_null(key.revoked_at),
    }


def _line_of(key: dict[str, Any]) -> str:
    mode = "live" if key["livemode"] else "test"
    return f"{key['key_id']}  {mode}  {key['status']:<7}  {' '.join(key['scopes'])}"


def _show_terms(done: Executed[Merchant], as_json: bool) -> None:
    owner = public_id(Prefix.MERCHANT, done.state.id)
    _show({"merchant_id": owner, **terms_of(done.state), "changed": bool(done.appended)}, as_json)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    width = max(map(len, found))
    for name, value in found.items():
        text = _text(value).replace("\n", "\n" + " " * (width + 2))
        # Not through Rich, which would wrap a key that is meant to be copied.
        sys.stdout.write(f"{name:<{width}}  {text}\n")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{currency}={amount}" for currency, amount in value.items()) or "none"
    return " ".join(value) if isinstance(value, list) else str(value)


def _complain(sentence: str) -> None:
    Console(stderr=True, highlight=False, markup=False).print(f"guilder: {sentence}", soft_wrap=True)
