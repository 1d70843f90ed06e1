"""Which output of a transaction is the payer's own change: candidate sets, votes by family of evidence, vetoes.

Sources: BlockSci (Kalodner et al. 2020), Meiklejohn et al. 2013, Möser and Narayanan 2022, Kappos et al. 2022,
GraphSense. Each alone errs; two that see different things rarely err together.
"""
