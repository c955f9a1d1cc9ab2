"""``python -m pilothouse.mplane.runtime`` is ``mpcom``."""

from .main import main

raise SystemExit(main())
