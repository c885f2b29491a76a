"""The table of countries."""

from schemas.countries import COUNTRIES


def test_every_code_is_two_capital_letters_and_there_are_as_many_as_iso_3166_assigns() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)


def test_what_only_looks_like_a_country_is_none() -> None:
    assert {"DE", "CH", "GB", "JP", "KW", "IN", "NL"} <= COUNTRIES
    assert not {"XX", "UK", "EU", "XK", "ZZ", "SU", "AN"} & COUNTRIES
