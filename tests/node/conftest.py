"""The node fixtures, for the tests beside this file."""

from tests.node.fixtures import bitcoind, start_node, varied_node

__all__ = ["bitcoind", "start_node", "varied_node"]
