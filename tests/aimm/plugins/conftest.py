import sys

import pytest

from pilothouse.aimm import plugins


@pytest.fixture
def no_plugins():
    """A process without plugins, left as it was found."""
    modules = set(sys.modules)
    plugins.unload_all()
    yield
    plugins.unload_all()
    for name in set(sys.modules) - modules:
        if name.startswith(("cell_", "plugin_")):
            del sys.modules[name]
