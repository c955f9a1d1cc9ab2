"""``python -m pilothouse``: the same as the command ``pilothouse``."""

import sys

from pilothouse.cli import main

if __name__ == "__main__":
    sys.exit(main())
