"""The chain under a world: keys, signatures, blocks and undo records, and the files that Bitcoin Core keeps."""
