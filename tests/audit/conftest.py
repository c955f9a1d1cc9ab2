"""A shell for the magic."""

from magics.conftest import bare_shell, quiet_place, run, shell

__all__ = ["bare_shell", "quiet_place", "run", "shell"]
