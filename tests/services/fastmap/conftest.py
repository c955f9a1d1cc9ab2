"""A caller of the shared service, and services with options of one's own."""

import contextlib
import itertools

import pytest

from interop.raw_map import Raw
from pilothouse.services.host import ServiceHost

NUMBERS = itertools.count()


@pytest.fixture
def raw(fastmap_service):
    """A caller with a version of ours."""
    return Raw(fastmap_service.url, fastmap_service.secret, version="1.0")


@pytest.fixture
def run_id():
    """An id that no other test uses."""
    return f"service-test-{next(NUMBERS)}"


@pytest.fixture
def started(tmp_path):
    """Start services with options of one's own: a caller, and the service."""
    with contextlib.ExitStack() as stack:

        def start(**options):
            host = ServiceHost(
                ["fastmap"],
                data_dir=options.pop("data_dir", tmp_path / "data"),
                options={"fastmap": {"workers": 1, **options}},
            )
            stack.enter_context(host)
            raw = Raw(host.fastmap.url, host.fastmap.secret, version="1.0")
            return raw, host.services["fastmap"], host

        yield start
