"""Currencies by ISO 4217, and the scale on which their money is counted in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..problems import InputError, Problem

_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU
CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR
NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_WITHDRAWN = "ANG BGN CUC HRK SLL ZWL"
_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: f"{_TWO} {_WITHDRAWN}",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
MINOR_DIGITS = {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}
"""Currency -> decimals of its minor unit: ISO 4217, list one of 1 January 2026, by its maintenance agency SIX
(https://www.six-group.com/en/products-services/financial-information/data-standards.html), and six codes withdrawn
since 2020 as that list had them. Metals, drawing rights and test codes have no minor unit and are left out."""

WANTED = "a currency of ISO 4217 that has a minor unit, such as JPY, EUR or KWD"
"""What is wanted instead of an unknown currency."""
WATT_HOURS = 1000
"""Whole numbers of energy (Wh) per kWh."""
LARGEST = 2**53
"""Sums stay below this: every whole number below it is also a float, and an integer of JSON."""


@dataclass(frozen=True)
class Scale:
    """The whole numbers in which a currency is counted: prices in thousandths of its minor unit per kWh.

    ``digits`` are the decimals of the minor unit: a price of JPY (0) is a multiple of 1e-3 JPY/kWh, of EUR (2) of
    1e-5 EUR/kWh, of KWD (3) of 1e-6 KWD/kWh. Energy is whole Wh, so that money is the exact product: a multiple of
    1e-6 JPY, 1e-8 EUR, 1e-9 KWD.
    """

    currency: str
    digits: int

    @property
    def price_decimals(self) -> int:
        """Return the decimals of a price [currency/kWh]."""
        return 3 + self.digits

    @property
    def price(self) -> int:
        """Return the units of a price per currency/kWh."""
        return int(10**self.price_decimals)

    @property
    def money_decimals(self) -> int:
        """Return the decimals of an amount [currency]: of a price per Wh."""
        return 6 + self.digits

    @property
    def money(self) -> int:
        """Return the units of money per currency."""
        return int(10**self.money_decimals)

    @property
    def most(self) -> str:
        """Return the amount [currency] below which every sum stays, as text.

        >>> scale("EUR").most
        '90,071,992 EUR'
        """
        return f"{LARGEST // self.money:,} {self.currency}"


def scale(currency: str, where: str = "inputs") -> Scale:
    """Return the scale of a currency.

    Raises
    ------
    InputError
        If ISO 4217 has no minor unit of it: a guess would fix the scale of a ledger that is never rewritten.
    """
    if currency not in MINOR_DIGITS:
        raise InputError([Problem(where, "", "currency", repr(currency), WANTED)])
    return Scale(currency, MINOR_DIGITS[currency])


def decimals(unit: str) -> int | None:
    """Return the decimals that a table shows of a unit: of money its minor unit's, at least one; of prices one more.

    >>> decimals("JPY"), decimals("EUR"), decimals("KWD"), decimals("JPY/kWh"), decimals("EUR/kWh"), decimals("kWh")
    (1, 2, 3, 1, 3, None)
    """
    currency, _, per = unit.partition("/")
    digits = MINOR_DIGITS.get(currency)
    return digits if digits is None else digits + 1 if per else max(digits, 1)
