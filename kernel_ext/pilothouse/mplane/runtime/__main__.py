"""``python -m pilothouse.mplane.runtime``: the same as the command ``mpcom``."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
