"""Properties have the time that a busy machine takes, and the same examples each time."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")
