"""Addresses in running text: found by their form, believed for their checksum.

Lists that have no field for addresses put them into remarks, between words of any language. A word that
carries a checksum (base58check, bech32) or the unmistakable form of 0x and 40 hexadecimal digits is taken; a
form without either is taken only where its currency is named before it. What only looks like an address is
said, never dropped. Letters of other scripts that look Latin, full-width forms and invisible blanks are mended
first: lists do carry them, and the checksum tells that the mended word is the one that was meant.
"""

import re
import unicodedata
from typing import NamedTuple

from chains import foreign
from chains.bitcoin import bech32
from chains.bitcoin.address import script_of
from chains.errors import AddressError

_LOOK_ALIKES = {  # Latin letter: letters of Cyrillic, Greek, Armenian and phonetic script that look like it
    "A": "\u0410\u0391",
    "B": "\u0412\u0392",
    "C": "\u0421\u03f9",
    "E": "\u0415\u0395",
    "H": "\u041d\u0397",
    "J": "\u0408\u037f",
    "K": "\u041a\u039a",
    "M": "\u041c\u039c",
    "N": "\u039d",
    "P": "\u0420\u03a1",
    "S": "\u0405",
    "T": "\u0422\u03a4",
    "X": "\u0425\u03a7",
    "Y": "\u03a5\u04ae",
    "Z": "\u0396",
    "Q": "\u051a",
    "W": "\u051c",
    "a": "\u0430",
    "c": "\u0441\u03f2",
    "d": "\u0501",
    "e": "\u0435",
    "h": "\u04bb",
    "j": "\u0458",
    "o": "\u043e\u03bf\u0585",
    "p": "\u0440",
    "q": "\u051b",
    "s": "\u0455",
    "u": "\u057d",
    "v": "\u0475\u1d20",
    "w": "\u051d\u1d21",
    "x": "\u0445\u03c7",
    "y": "\u0443",
    "z": "\u1d22",
    "n": "\u0578",
}
_TO_LATIN = str.maketrans({letter: latin for latin, letters in _LOOK_ALIKES.items() for letter in letters})
_INVISIBLE = str.maketrans(dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad", ""))
_LETTER = "0-9A-Za-z" + "".join(_LOOK_ALIKES.values())
_WORD = re.compile(rf"(?<![{_LETTER}])(?:bitcoincash:)?[{_LETTER}]{{25,130}}(?![{_LETTER}])")
_EVM = re.compile(r"0[xX][0-9a-fA-F]{40}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_BASE58_LIKE = re.compile(r"(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|T[1-9A-HJ-NP-Za-km-z]{33})")
_SEGWIT_LIKE = re.compile(r"(?:bc|tb|ltc)1[0-9a-z]{20,87}", re.IGNORECASE)
_SEGWIT_PARTS = re.compile(r"([a-z]{1,10})1([0-9a-z]+)")
_WRONG_CHECKSUM = "looks like an address, but its checksum is wrong: mistyped, cut off or of another network"
_HASH_DIGITS = 40
_BEFORE = 60  # characters before an address in which its currency may be named
_CURRENCIES = {
    "XBT": r"XBT|BTC|bitcoin(?! ?(?:cash|sv|gold))|ビットコイン|ביטקוין",
    "ETH": r"ETH|ether(?:eum)?|ERC-?20|イーサリアム",
    "TRX": r"TRX|TRON|TRC-?20|トロン",
    "USDT": r"USDT|tether|テザー",
    "USDC": r"USDC",
    "XMR": r"XMR|monero|モネロ",
    "LTC": r"LTC|litecoin|ライトコイン",
    "BCH": r"BCH|bitcoin ?cash|ビットコインキャッシュ",
    "SOL": r"SOL|solana",
    "XLM": r"XLM|stellar",
    "XRP": r"XRP|ripple|リップル",
    "ZEC": r"ZEC|zcash",
    "DASH": r"DASH",
}
_NAMED = re.compile(
    "|".join(f"(?P<{ticker}>(?<![A-Za-z])(?:{words})(?![a-z]))" for ticker, words in _CURRENCIES.items()), re.IGNORECASE
)
_UNCHECKED = {"solana": "SOL", "monero": "XMR", "stellar": "XLM", "bitcoin_cash": "BCH"}  # by the ticker that names it


class Candidate(NamedTuple):
    """A word of a text that is an address, or looks like one."""

    text: str
    ticker: str
    """The currency that is named before it; empty where none is."""
    note: str | None
    """What had to be mended."""
    doubt: str | None
    """Why it is not taken; None where it is an address."""


def addresses_in(text: str, network: str = "main") -> list[Candidate]:
    """Find the addresses of a text, and what looks like one.

    Parameters
    ----------
    text : str
        Running text, or one cell.
    network : str
        The Bitcoin network whose addresses count.

    Returns
    -------
    list[Candidate]
        In the order of the text.
    """
    cleaned = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
    found = []
    for word in _WORD.finditer(cleaned):
        mended = word[0].translate(_TO_LATIN)
        ticker = _named_before(cleaned[max(0, word.start() - _BEFORE) : word.start()])
        doubt = _doubt(mended, ticker, network)
        if doubt == "":
            continue
        note = "letters of another script that look Latin were read as Latin" if mended != word[0] else None
        found.append(Candidate(mended, ticker, note, doubt))
    return found


def _named_before(text: str) -> str:
    """Give the currency that is named last in what stands before an address."""
    last = ""
    for named in _NAMED.finditer(text):
        last = named.lastgroup or ""
    return last


def _doubt(word: str, ticker: str, network: str) -> str | None:
    """Say why a word is not taken; None: it is an address; empty: it does not even look like one."""
    if _EVM.fullmatch(word) or _is_bitcoin(word, network):
        return None
    if _HEX.fullmatch(word):
        is_hash_like = len(word) == _HASH_DIGITS and ticker
        return (
            f"has {_HASH_DIGITS} hexadecimal digits after {ticker}, but no 0x: an address or a hash"
            if is_hash_like
            else ""
        )
    known = foreign.recognise(word)
    if known is not None:
        return _doubt_of_foreign(word, known.chains[0], ticker)
    is_like = (_BASE58_LIKE.fullmatch(word) and _is_mixed(word)) or _SEGWIT_LIKE.fullmatch(word)
    return _WRONG_CHECKSUM if is_like else ""


def _doubt_of_foreign(word: str, chain: str, ticker: str) -> str | None:
    if chain in _UNCHECKED:
        if ticker == _UNCHECKED[chain]:
            return None
        return f"has the form of {chain}, whose checksum is not verified here, and the text does not name {chain}"
    parts = _SEGWIT_PARTS.fullmatch(word.lower())
    if foreign.base58_bytes(word) is None and parts and bech32.checksum_kind(parts[1], parts[2]) is None:
        return _WRONG_CHECKSUM
    return None


def _is_bitcoin(word: str, network: str) -> bool:
    try:
        script_of(word, network)
    except AddressError:
        return False
    return True


def _is_mixed(word: str) -> bool:
    """Base58 of any length has all three: without them it is a number, a name or a code."""
    return any(c.isdigit() for c in word) and any(c.isupper() for c in word) and any(c.islower() for c in word)
