"""The verbs of the command line: each reads its options, makes one call below and writes the answer."""
