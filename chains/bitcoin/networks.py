"""Bitcoin's networks: what tells one from another on disk, on the wire and in an address.

Source: Bitcoin Core's chain parameters; `tests/test_address.py` recomputes the genesis hashes.
"""

from dataclasses import dataclass, field

from chains.errors import ChainError


@dataclass(frozen=True, slots=True)
class Network:
    """One network; `genesis_hash` is in internal byte order (as hashed, not as displayed)."""

    name: str
    magic: bytes  # 4 bytes before every block in a blk file and every message
    genesis_hash: bytes  # 32 bytes
    p2pkh: int  # version byte of a base58 key-hash address
    p2sh: int  # version byte of a base58 script-hash address
    hrp: str  # prefix of a bech32 address, before the 1
    default_port: int  # where a node listens to its peers
    rpc_port: int  # where a node answers JSON-RPC and REST
    caip2: str = field(init=False)  # chain id of CAIP-2: bip122 and half of the displayed genesis hash

    def __post_init__(self) -> None:
        """Derive the chain id from the genesis hash."""
        object.__setattr__(self, "caip2", "bip122:" + self.genesis_hash[::-1].hex()[:32])


_TEST_VERSIONS = (111, 196)


def _internal(displayed: str) -> bytes:
    return bytes.fromhex(displayed)[::-1]


MAIN = Network(
    "main",
    bytes.fromhex("f9beb4d9"),
    _internal("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
    0,
    5,
    "bc",
    8333,
    8332,
)
TEST = Network(
    "test",
    bytes.fromhex("0b110907"),
    _internal("000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943"),
    *_TEST_VERSIONS,
    "tb",
    18333,
    18332,
)
TESTNET4 = Network(
    "testnet4",
    bytes.fromhex("1c163f28"),
    _internal("00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043"),
    *_TEST_VERSIONS,
    "tb",
    48333,
    48332,
)
SIGNET = Network(
    "signet",
    bytes.fromhex("0a03cf40"),
    _internal("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"),
    *_TEST_VERSIONS,
    "tb",
    38333,
    38332,
)
REGTEST = Network(
    "regtest",
    bytes.fromhex("fabfb5da"),
    _internal("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
    *_TEST_VERSIONS,
    "bcrt",
    18444,
    18443,
)
NETWORKS: dict[str, Network] = {n.name: n for n in (MAIN, TEST, TESTNET4, SIGNET, REGTEST)}


def network_named(name: str) -> Network:
    """Look a network up by name.

    Raises
    ------
    ChainError
        When there is no network of that name.
    """
    try:
        return NETWORKS[name]
    except KeyError:
        known = ", ".join(NETWORKS)
        raise ChainError(f"{name!r} is no Bitcoin network; say one of: {known}") from None
