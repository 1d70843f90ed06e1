"""The REST surface, version 1."""
