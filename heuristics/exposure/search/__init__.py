"""The search for the paths that carry most, in kernels: where it begins, how it goes on, what comes out."""
