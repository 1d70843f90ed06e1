"""Our categories, and how the words of others map to them: the one table of kinds of party.

The order is the order of precedence: where a source gives several concepts, the first category wins, so
that a designated exchange is a sanctioned entity and a named exchange is not just an organisation.
Concept and confidence ids are those of the GraphSense taxonomy (derived from INTERPOL's).
"""

from collections.abc import Iterable
from difflib import get_close_matches

CATEGORIES: dict[str, str] = {
    "sanctioned_entity": "a party designated by an authority, and what it owns",
    "terrorism": "a terrorist or extremist party, or its financing",
    "child_abuse": "material or services of child sexual abuse",
    "ransomware": "malware that extorts, its operators and affiliates",
    "extortion": "extortion without malware, sextortion included",
    "theft": "stolen funds: hacks, exploits, drained wallets",
    "darknet_market": "a market for illegal goods, or a vendor of such goods",
    "violent_crime": "murder, torture, trafficking of persons",
    "mixer": "a custodial or contract service that breaks the trail on purpose",
    "scam": "fraud: phishing, fake investments, pyramid schemes, impersonation",
    "laundering": "a professional launderer or money mule",
    "shell": "a front without business of its own, through which another party's payments run",
    "blacklisted": "blocked by an issuer or on a non-government blacklist",
    "exchange": "a custodial service that trades coins against coins or money",
    "payment_processor": "takes payments on behalf of merchants",
    "mining_pool": "finds blocks with the work of many miners and pays them",
    "gambling": "casinos, betting, lotteries",
    "atm": "machines that trade cash against coins",
    "bridge": "moves value between chains",
    "defi": "contracts for trading, lending, staking, governance",
    "marketplace": "a lawful market or shop",
    "wallet_service": "holds or manages keys for others: custody, escrow, sale proceeds",
    "coinjoin": "a transaction that many parties sign together",
    "token": "the contract of a token or collection",
    "hosting": "servers, VPN, names",
    "faucet": "gives small amounts away",
    "miner": "finds blocks with work of its own, or is paid by a pool",
    "donation": "collects donations",
    "service": "any other service",
    "organization": "any other organisation",
    "person": "a private user, victims included",
    "other": "no category is known",
}
RANK: dict[str, int] = {name: rank for rank, name in enumerate(CATEGORIES)}

_CONCEPTS_BY_CATEGORY: dict[str, str] = {
    "sanctioned_entity": "sanction gov_black_list",
    "terrorism": "extremism terrorism terrorism_financing",
    "child_abuse": "sexual_abuse child_sexual_abuse",
    "ransomware": "ransomware",
    "extortion": "extortion sextortion",
    "theft": "hacking service_hack account_hack exploit data_breach malware",
    "darknet_market": "dark_web drugs weapons counterfeit",
    "violent_crime": "violence murder torture human_trafficking",
    "mixer": "mixing mixing_service gray_usage",
    "scam": "abuse scam financial_crime investment_fraud ponzi_scheme pyramid_scheme payment_card_fraud "
    "phishing social_engineering",
    "laundering": "money_laundering",
    "blacklisted": "black_list",
    "exchange": "exchange",
    "payment_processor": "payment_processor",
    "mining_pool": "mining_service",
    "gambling": "gambling",
    "atm": "atm",
    "bridge": "defi_bridge",
    "defi": "defi defi_lending defi_dex defi_dex_pair defi_derivative defi_derivatives defi_dao defi_staking",
    "marketplace": "market shop",
    "wallet_service": "wallet_service escrow_wallet ico_wallet defi_custody",
    "coinjoin": "coinjoin",
    "token": "defi_token collectible item",
    "hosting": "hosting vpn nameservice",
    "faucet": "faucet",
    "miner": "miner",
    "donation": "donation",
    "service": "service index filesharing messaging_service search_engine",
    "organization": "organization",
    "person": "user victim perpetrator",
    # Concepts about the source or the use of an address: they say nothing about who it is.
    "other": "unknown concept behaviour source mention website_mention forum_mention entity white_usage "
    "white_list gov_white_list cold_wallet hot_wallet warm_wallet deposit_wallet deployer funder",
}
CONCEPTS: dict[str, str] = {
    concept: category for category, concepts in _CONCEPTS_BY_CATEGORY.items() for concept in concepts.split()
}

CONFIDENCE: dict[str, int] = {  # percent; the level column of the source's ladder
    "override": 100,
    "ownership": 100,
    "ledger_immanent": 100,
    "manual_transaction": 90,
    "service_api": 70,
    "forensic_investigation": 70,
    "authority_data": 60,
    "trusted_provider": 50,
    "service_data": 50,
    "forensic": 50,
    "untrusted_transaction": 40,
    "web_crawl": 20,
    "heuristic": 10,
    "unknown": 5,
}
LISTED_CONFIDENCE = 100  # the list itself names the address: nothing is estimated
TAG_TYPES = ("actor", "event", "attribute", "mention")


def category_of_word(word: str) -> str | None:
    """Give the category of a source's concept, or of a category of our own; None where it is neither."""
    return word if word in CATEGORIES else CONCEPTS.get(word)


def foremost(categories: Iterable[str]) -> str:
    """Give the category that takes precedence; `other` where there is none."""
    return min(categories, key=RANK.__getitem__, default="other")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say which known words look like one that is not known."""
    near = get_close_matches(word, list(known), 3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
