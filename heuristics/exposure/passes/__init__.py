"""The linear passes over a whole chain: where every transaction's coins came from, and where they went."""
