"""``python -m pilothouse.mplane.shell``: the same as the command ``mpcli``."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
