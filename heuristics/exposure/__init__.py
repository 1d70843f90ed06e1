"""Whom a wallet dealt with: by entity, category and jurisdiction."""
