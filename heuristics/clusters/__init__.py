"""Which addresses are under one control, by rule, with the transaction that says so."""
