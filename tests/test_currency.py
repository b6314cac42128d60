"""Currencies: the scale on which each is counted, and what happens where one is unknown or missing."""

import pytest

from otonari.data.inputs import currency
from otonari.data.inputs.contract import complete
from otonari.data.inputs.validation import validate
from otonari.data.problems import InputError

from .test_inputs import raw


@pytest.mark.parametrize(
    ("code", "price", "money"), [("JPY", 1e-3, 1e-6), ("EUR", 1e-5, 1e-8), ("KWD", 1e-6, 1e-9)]
)
def test_prices_are_thousandths_of_the_minor_unit_and_money_their_product_with_wh(code, price, money):
    scale = currency.scale(code)
    assert (scale.price * price, scale.money * money) == (pytest.approx(1), pytest.approx(1))
    assert scale.money == scale.price * currency.WATT_HOURS
    assert (10**scale.price_decimals, 10**scale.money_decimals) == (scale.price, scale.money)


def test_the_table_is_that_of_iso_4217():
    by_digits = {n: sorted(c for c, d in currency.MINOR_DIGITS.items() if d == n) for n in (0, 2, 3, 4)}
    assert sum(map(len, by_digits.values())) == len(currency.MINOR_DIGITS) == 171
    assert by_digits[3] == ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]
    assert by_digits[4] == ["CLF", "UYW"]
    assert {"JPY", "KRW", "VND", "ISK"} <= set(by_digits[0])
    assert {"EUR", "USD", "GBP", "IDR", "SEK"} <= set(by_digits[2])
    assert not {"XAU", "XDR", "XTS", "XXX"} & currency.MINOR_DIGITS.keys()


@pytest.mark.parametrize("code", ["XAU", "ABC", "eur", ""])
def test_an_unknown_currency_has_no_scale(code):
    with pytest.raises(InputError, match=f"currency: got '{code}', want a currency of ISO 4217"):
        currency.scale(code)


def test_inputs_name_their_currency():
    nameless = raw()
    del nameless.attrs["currency"]
    with pytest.raises(InputError, match="inputs: currency: got no such attribute, want a currency of ISO"):
        complete(nameless)
    completed = complete(raw())
    del completed.attrs["currency"]
    (problem,) = validate(completed)
    assert (problem.field, problem.want) == ("currency", currency.WANTED)
    (problem,) = validate(complete(raw().assign_attrs(currency="XAU")))
    assert (problem.field, problem.got) == ("currency", "'XAU'")
