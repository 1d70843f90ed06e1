"""Following coins transaction by transaction, in kernels, with memory for what is visited and no more."""
