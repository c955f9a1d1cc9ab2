"""Entry of a jet: ``SOCKET PAGE PARENT``, two handles and the engine's process id."""

from __future__ import annotations

import sys

from .guard import protect
from .link import Link
from .serving import serve


def main() -> None:
    """Run the model that the engine sends until it says so, or is gone."""
    socket_fd, page_fd, parent = map(int, sys.argv[1:4])
    protect(parent)
    link = Link(socket_fd, page_fd)
    sys.argv = [""]
    sys.path.insert(0, "")  # modules in attachments, from the working folder
    serve(link)


main()
