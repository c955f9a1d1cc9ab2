"""``python -m pilothouse.mplane.shell`` is ``mpcli``."""

from .main import main

raise SystemExit(main())
