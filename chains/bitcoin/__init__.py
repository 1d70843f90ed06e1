"""Bitcoin: from a node's files or its RPC to verified columns."""
