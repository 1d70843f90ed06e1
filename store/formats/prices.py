"""Price files: CSV, UTF-8, `date,asset,currency,price`, one row a day; every mistake with its line."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from store.formats.problems import PriceError, Problem
from store.formats.taxonomy import did_you_mean

HEADER: Final = "date,asset,currency,price"
MAX_BYTES: Final = 16 << 20  # a century of days in ten currencies
ASSETS: Final = ("BTC",)
FIRST_DAY: Final = date(2009, 1, 3)  # of bitcoin's chain
_CODES = (  # ISO 4217, without metals, funds and test codes
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP "
    "CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB "
    "RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"  # codespell:ignore zar
)
CURRENCIES: Final = frozenset(_CODES.split())
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PRICE: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")
MOST_PROBLEMS: Final = 100  # in one file; then it is another kind of file
_SHOWN: Final = 40  # characters of a wrong field


class Pair(NamedTuple):
    """What is priced, and in what: `BTC`, `JPY`."""

    asset: str
    currency: str


Rows = dict[tuple[Pair, date], Decimal]


def load(path: Path) -> bytes:
    """Read the bytes of a file that a user gave; raises PriceError where it can not be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PriceError([Problem(path, None, f"can not be read: {error.strerror or error}")]) from error
    if len(data) > MAX_BYTES:
        raise PriceError([Problem(path, None, f"larger than {MAX_BYTES} bytes: no file of daily prices is; split it")])
    return data


def read(data: bytes, path: Path) -> Rows:
    """Read a price file, in the order of its lines; `path` names it in errors.

    Raises
    ------
    PriceError
        With the line of every mistake.
    """
    try:
        head, *lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        wrong = data.count(b"\n", 0, error.start) + 1
        raise PriceError([Problem(path, wrong, "not UTF-8: save the file as UTF-8 text")]) from error
    if head.removesuffix("\r") != HEADER:
        raise PriceError([Problem(path, 1, f"the first line is {head[:_SHOWN]!r}: it has to be {HEADER}")])
    problems: list[Problem] = []
    if not lines or lines.pop():  # without the check, half of a price could be taken for a price
        problems.append(Problem(path, len(lines) + 2, "the last line has no end: is the file whole? end it with one"))
    elif not lines:
        problems.append(Problem(path, 1, "there is no price in it: write one row a day below the header"))
    rows: Rows = {}
    at: dict[tuple[Pair, date], int] = {}
    for number, line in enumerate(lines, 2):
        if len(problems) >= MOST_PROBLEMS:
            break
        try:
            key, price = _row(line.removesuffix("\r"))
        except ValueError as error:
            problems.append(Problem(path, number, str(error)))
            continue
        if at.setdefault(key, number) != number:
            problems.append(Problem(path, number, f"{key[1]} has a price already, on line {at[key]}: leave one"))
        rows[key] = price
    if problems:
        raise PriceError(problems)
    return rows


def _row(line: str) -> tuple[tuple[Pair, date], Decimal]:
    """Read one line; raises ValueError saying what is wrong with it."""
    fields = line.split(",")
    if len(fields) != len(HEADER.split(",")):
        raise ValueError(f"{len(fields)} fields: a row has four, {HEADER}, without quotes and thousands separators")
    day, asset, currency, price = fields
    if asset not in ASSETS:
        raise ValueError(f"there is no asset {asset[:_SHOWN]!r}: prices are taken for {', '.join(ASSETS)}")
    if currency not in CURRENCIES:
        near = did_you_mean(currency[:_SHOWN], CURRENCIES)
        raise ValueError(f"there is no currency {currency[:_SHOWN]!r}{near}: write an ISO 4217 code, like USD")
    if not _PRICE.fullmatch(price) or not Decimal(price):
        raise ValueError(f"the price {price[:_SHOWN]!r} is no positive decimal number, like 43210.55")
    return (Pair(asset, currency), _day(day)), Decimal(price)


def _day(text: str) -> date:
    wrong = f"the date {text[:_SHOWN]!r} is no day of a calendar: write it as YYYY-MM-DD"
    if not _DAY.fullmatch(text):
        raise ValueError(wrong)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(wrong) from None
    if day < FIRST_DAY:
        raise ValueError(f"the date {text} is before bitcoin's first day, {FIRST_DAY}")
    return day
