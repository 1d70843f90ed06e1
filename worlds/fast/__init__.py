"""Large chains in minutes: the same file layout as the words make, well-formed but unsigned spends."""
