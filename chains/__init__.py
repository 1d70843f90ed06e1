"""Chains become columns.

Each sub-package reads one blockchain and yields runs of consecutive, verified blocks as Arrow tables
(`chains.blocks.Blocks`). It knows no SQL, no stores and no opinions about what the facts mean.
"""
