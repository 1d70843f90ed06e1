"""Where an address of a list belongs: the form of the address decides, the ticker only helps.

Lists say BTC, USDT or BEP20, and now and then put an address under a ticker of another chain. Bitcoin's
addresses are verified and turned into scripts; others are verified as far as `chains.foreign` can.
"""

from typing import NamedTuple

from chains import foreign
from chains.bitcoin.address import canonical, script_of
from chains.bitcoin.networks import network_named
from chains.errors import AddressError

BITCOIN = "bitcoin"
EVM = "ethereum"
UNKNOWN = "unknown"
# Tickers of chains. A token's ticker is not here: its address's form tells the chain.
_CHAINS = {
    "BTC": BITCOIN,
    "XBT": BITCOIN,
    "BITCOIN": BITCOIN,
    # One key owns the same address on every chain with Ethereum's machine: all of them go by one name.
    "ETH": EVM,
    "ETHEREUM": EVM,
    "ETC": EVM,
    "ARB": EVM,
    "ARBITRUM": EVM,
    "BSC": EVM,
    "BNB": EVM,
    "BEP20": EVM,
    "ERC20": EVM,
    "MATIC": EVM,
    "POLYGON": EVM,
    "OPTIMISM": EVM,
    "BASE": EVM,
    "AVALANCHE": EVM,
    "AVALANCHE_C": EVM,
    "FANTOM": EVM,
    "GNOSIS": EVM,
    "TRX": "tron",
    "TRON": "tron",
    "LTC": "litecoin",
    "BCH": "bitcoin_cash",
    "BSV": "bitcoin_sv",
    "BTG": "bitcoin_gold",
    "DASH": "dash",
    "DOGE": "dogecoin",
    "XVG": "verge",
    "ZEC": "zcash",
    "XMR": "monero",
    "XRP": "xrp",
    "RIPPLE": "xrp",
    "XLM": "stellar",
    "SOL": "solana",
    "SOLANA": "solana",
    "ATOM": "cosmos",
    "ADA": "cardano",
    "BEP2": "bnb_beacon",
}
# Chains of which every address has a form that is known here: what does not fit is a mistake.
_KNOWN_FORMS = frozenset({BITCOIN, "ethereum", "tron", "litecoin", "dogecoin", "dash"})
_MAX_TEXT = 200


class Located(NamedTuple):
    """An address in its place; `note` says so where the list put it elsewhere."""

    chain: str
    network: str
    text: str
    script: bytes | None
    note: str | None


class Locator:
    """Finds the place of addresses for one import, on one Bitcoin network."""

    def __init__(self, network: str) -> None:
        self._network = network_named(network).name

    def locate(self, ticker: str, text: str) -> Located:
        """Say which chain an address belongs to, verify it, and give its canonical text and script.

        Parameters
        ----------
        ticker : str
            Currency or network as the list says, in any case.
        text : str
            The address, without blanks around it.

        Raises
        ------
        AddressError
            Where it is no address of the chain named, nor of another that we know.
        """
        chain = _CHAINS.get(ticker) or _CHAINS.get(ticker.upper())
        if chain == BITCOIN:
            return self._bitcoin(ticker, text)
        found = foreign.recognise(text)
        if found is None:
            return _unknown_form(chain, ticker, text)
        if chain is not None and chain in found.chains:
            return Located(chain, "main", found.text, None, None)
        note = None if chain is None else _moved(ticker, found.chains[0])
        if found.chains[0] == BITCOIN:
            return self._bitcoin(ticker, text)._replace(note=note)
        return Located(found.chains[0], "main", found.text, None, note)

    def listed(self, ticker: str, text: str) -> Located:
        """As `locate`, for a legal list: the form alone decides, and what has no known form is kept.

        One key owns the same text on Bitcoin and its forks, so that an address listed under BCH or BSV in
        Bitcoin's form is claimed on Bitcoin; an authority's text is never dropped for a bad checksum.
        """
        found = foreign.recognise(text)
        if found is not None and found.chains[0] != BITCOIN:
            chain = _CHAINS.get(ticker.upper())
            if chain is not None and chain in found.chains:
                return Located(chain, "main", found.text, None, None)
            note = None if chain is None else _moved(ticker, found.chains[0])
            return Located(found.chains[0], "main", found.text, None, note)
        try:
            script = script_of(text, self._network)
        except AddressError:
            chain = _CHAINS.get(ticker.upper(), ticker.lower()) or UNKNOWN
            return Located(chain, "main", text, None, "kept as text: no chain we know has such an address")
        note = None if _CHAINS.get(ticker.upper(), BITCOIN) == BITCOIN else _moved(ticker, BITCOIN)
        return Located(BITCOIN, self._network, canonical(text), script, note)

    def _bitcoin(self, ticker: str, text: str) -> Located:
        try:
            return Located(BITCOIN, self._network, canonical(text), script_of(text, self._network), None)
        except AddressError:
            found = foreign.recognise(text)
            if found is None or found.chains[0] == BITCOIN:
                raise
            return Located(found.chains[0], "main", found.text, None, _moved(ticker, found.chains[0]))


def _moved(ticker: str, chain: str) -> str:
    return f"listed under {ticker}, but its form is of {chain}: taken as that"


def _unknown_form(chain: str | None, ticker: str, text: str) -> Located:
    if chain in _KNOWN_FORMS:
        raise AddressError(
            f"{text[:100]!r} is no address of {chain}: its length, characters or checksum are wrong; "
            "copy it again from its source"
        )
    if len(text) > _MAX_TEXT or not text.isprintable():
        raise AddressError(f"{text[:100]!r} is no address of {ticker}: it is too long or not printable")
    return Located(chain or ticker.lower(), "main", text, None, None)
