"""`guilder merchant`: register merchants, and issue and revoke their API keys."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar, get_args
from uuid import UUID

import msgspec
import typer
from rich.console import Console

from bootstrap.cli.connection import connected_settings
from bootstrap.cli.database import database_at
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import DEFAULT_SCOPES, MerchantDesk
from bootstrap.processes.connections import dsn_of
from event_store import EventStore, StoreOptions
from schemas.errors import Rejected, ValidationFailed
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id
from schemas.routes import Scope

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Register merchants, and issue and revoke their API keys."
)
key_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Issue and revoke API keys.")
app.add_typer(key_app, name="key")

Result = TypeVar("Result")
_FAILED: Final = 1
_SCOPES: Final = f"One of {', '.join(get_args(Scope))}; without it {', '.join(DEFAULT_SCOPES)}."

_OPTIONS: Final = {"/name": "--name", "/country": "--country", "/scopes": "--scope", "/reason": "--reason"}
"""What the operator typed, by the pointer with which the aggregate names it."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def merchant() -> None:
    """Register merchants, and issue and revoke their API keys."""


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the merchant is called.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2, as in DE.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Register a merchant and print its id."""
    merchant_id = _at_desk(lambda desk: desk.register(name, country.upper()))
    _show({"merchant_id": public_id(Prefix.MERCHANT, merchant_id), "name": name, "country": country.upper()}, as_json)


@key_app.command()
def issue(
    merchant_id: Annotated[str, typer.Argument(metavar="MERCHANT", help="mer_…")],
    scope: Annotated[list[str] | None, typer.Option(help=f"May be given several times. {_SCOPES}")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="For real money; without it the key is of test mode.")] = False,
    as_json: AsJson = False,
) -> None:
    """Issue an API key and print it, this once."""
    owner = _parsed(Prefix.MERCHANT, merchant_id)
    key = _at_desk(lambda desk: desk.issue_key(owner, livemode=live, scopes=scope or DEFAULT_SCOPES))
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
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="key_…, not the key itself.")],
    owner: Annotated[
        str | None, typer.Option("--merchant", help="Whose key it is; without it the key's shard is searched.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "revoked by the operator",
    *,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key: it stops working within a second."""
    revoked = _parsed(Prefix.API_KEY, key_id)
    named = None if owner is None else _parsed(Prefix.MERCHANT, owner)

    async def revoke_at(desk: MerchantDesk) -> UUID:
        found = named if named is not None else await desk.owner_of_key(revoked)
        await desk.revoke_key(found, revoked, reason)
        return found

    found = _at_desk(revoke_at)
    _show(
        {
            "merchant_id": public_id(Prefix.MERCHANT, found),
            "key_id": public_id(Prefix.API_KEY, revoked),
            "revoked": True,
        },
        as_json,
    )


def _at_desk(work: Callable[[MerchantDesk], Awaitable[Result]]) -> Result:
    """What `work` does at the desk of the running installation; a refusal is one sentence and exit code 1."""
    dsn = dsn_of(connected_settings())

    async def at_desk() -> Result:
        # Whatever number of shards the installation has: an operator's shell need not be configured as its processes.
        store = await EventStore.open(StoreOptions(dsn=dsn))
        try:
            return await work(MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS))
        finally:
            await store.close()

    try:
        with database_at(dsn):
            return asyncio.run(at_desk())
    except ValidationFailed as refusal:
        _complain(
            "; ".join(f"{_OPTIONS.get(wrong.pointer, wrong.pointer)}: {wrong.detail}" for wrong in refusal.errors)
        )
        raise typer.Exit(_FAILED) from None
    except Rejected as refusal:
        _complain(refusal.detail)
        raise typer.Exit(_FAILED) from None


def _parsed(prefix: Prefix, text: str) -> UUID:
    try:
        return parse_public_id(prefix, text)
    except MalformedId as error:
        raise typer.BadParameter(str(error)) from None


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    width = max(map(len, found))
    for name, value in found.items():
        text = " ".join(value) if isinstance(value, list) else str(value)
        # Not through Rich, which would wrap a key that is meant to be copied.
        sys.stdout.write(f"{name:<{width}}  {text}\n")


def _complain(sentence: str) -> None:
    Console(stderr=True, highlight=False, markup=False).print(f"guilder: {sentence}", soft_wrap=True)
