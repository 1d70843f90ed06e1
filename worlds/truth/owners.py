"""Labels that name everybody: the perfect ones, and beside them every wallet that trails do not stop at.

With these a pipeline need not find out whose an address is: what is wrong then is not the fault of its clusters. A
wallet is an actor of its own, as exposure by convention counts it (`worlds.truth.matrices`), and a person whatever
it is: no trail stops at a person.
"""

import shutil
from datetime import date
from pathlib import Path
from typing import Final

from chains.bitcoin.address import text_of
from worlds.claims import Actor, Publisher, Tag, write_actor_pack, write_tag_pack
from worlds.ledger.blocks import NETWORK
from worlds.truth.query import asking

_CONCEPT: Final = "user"  # as packs call a person
_ON: Final = date(2025, 1, 1)  # a pack needs one; no rule asks how old a tag is
_TITLE: Final = "Everybody's wallets"
_BY: Final = Publisher(
    "Tadoru simulation", "All addresses of everybody else.", "https://example.org/simulation", "ownership"
)
_ADDRESSES: Final = """
SELECT wallet, script FROM owned JOIN party ON party.entity = owner WHERE NOT absorbs ORDER BY wallet, script
"""


def name_everybody(truth: Path, into: Path) -> Path:
    """Write the labels of `WORLD/truth/labels` and those of all other wallets into a new folder; gives that folder."""
    shutil.rmtree(into, ignore_errors=True)
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(truth / "labels", into)
    with asking(truth) as tables:
        rows = tables.execute(_ADDRESSES).fetchall()
    owned = [(wallet, text) for wallet, script in rows if (text := text_of(script, NETWORK)) is not None]
    if owned:
        names = dict.fromkeys(wallet for wallet, _ in owned)
        actors = [Actor(_id(name), name, (), (_CONCEPT,)) for name in names]
        write_actor_pack(into / "wallet-actors.yaml", actors, _ON, _TITLE, _BY)
        tags = (Tag(text, wallet, _id(wallet), _CONCEPT) for wallet, text in owned)
        write_tag_pack(into / "wallet-tags.yaml", _TITLE, tags, _ON, _BY)
    return into


def _id(wallet: str) -> str:
    """The actor's id; no party of a world has one like it."""
    return f"wallet: {wallet}"
