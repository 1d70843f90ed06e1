"""Imported by the workers' fork server only: loads the kernels by decoding one tiny block, regtest's genesis."""

from chains.bitcoin.decode import Undo, decode, join_records
from chains.ids import SECRET_BYTES

GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e6776"
    "8f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f20020000000101000000010000000000000000000000000000"
    "000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f3230"
    "3039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73"
    "ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6"
    "bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
UNDO = b"\x00"  # spends nothing

decode(join_records([GENESIS]), Undo(join_records([UNDO]), compressed=True), (0, "regtest"), bytes(SECRET_BYTES))
