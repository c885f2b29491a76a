"""A payment intent begins."""

from aggregates.payment_intent.authorizations import authorization_requested
from aggregates.payment_intent.commands import CreatePaymentIntent
from aggregates.payment_intent.state import PaymentIntent
from schemas.currencies import UnknownCurrency, exponent_of
from schemas.errors import AmountTooLarge, CurrencyNotSupported, InvalidState
from schemas.events import Event, PaymentIntentCreated
from schemas.money import MAX_AMOUNT


def create(command: CreatePaymentIntent, state: PaymentIntent) -> list[Event]:
    """Raises:
    InvalidState: it exists.
    AmountTooLarge, CurrencyNotSupported: what the edge lets through only by mistake.
    """
    if state.exists:
        raise InvalidState("This payment intent exists already.", current=state.status, allowed=[])
    assert command.amount > 0, "the edge refuses amounts below 1"
    if command.amount > MAX_AMOUNT:
        raise AmountTooLarge
    try:
        exponent = exponent_of(command.currency)
    except UnknownCurrency as error:
        raise CurrencyNotSupported(str(error)) from error
    created = PaymentIntentCreated(
        amount=command.amount,
        currency=command.currency,
        exponent=exponent,
        capture_method=command.capture_method,
        reference=command.reference,
        statement_descriptor=command.statement_descriptor,
        metadata=command.metadata,
        return_url=command.return_url,
        fee_plan=command.fee_plan,
        settlement_delay_s=command.settlement_delay_s,
    )
    if command.authorize is None:
        return [created]
    return [created, authorization_requested(command.authorize, command.amount, command.capture_method)]
