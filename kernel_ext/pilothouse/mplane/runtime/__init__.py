"""mpcom: a component made of modules that a configuration names.

    aliases      old modules that import ``mplane.*`` get this room's modules
    loading      modules to services
    main         the ``mpcom`` command

It imports the model, the scheduler, the component and whatever the configuration names.
"""

from __future__ import annotations

__all__: list[str] = []
