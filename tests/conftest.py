"""What holds for all tests."""

from hypothesis import settings

# The first example compiles kernels, and machines are shared: how long one example takes says nothing.
settings.register_profile("tadoru", deadline=None)
settings.load_profile("tadoru")
