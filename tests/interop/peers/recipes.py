"""The acceptance recipes of the FastScore contract, with whichever client is named.

Runs in the environment of the real SDK and in ours: ``python recipes.py LIBRARY URL
TOKEN RECIPE``, where LIBRARY is ``fastscore`` or ``pilothouse.fastscore``, says ``ok``
or ends with a traceback. A recipe resets ``engine-1`` first and uses names of its own.
Standard library only, beside the client library.

Source: FastScore contract, §12; the numbers in the docstrings are its numbers.
"""

from __future__ import annotations

import os
import sys
import tempfile

import recipes_running  # noqa: F401 (it enters its recipes)
import recipes_storing
import recipes_watching  # noqa: F401
from steps import RECIPES, WORDS


def main():
    os.chdir(tempfile.mkdtemp())
    name, *words = WORDS
    if name == "-load":
        recipes_storing.tell_loaded(*words)
    else:
        RECIPES[name]()
        sys.stdout.write("ok\n")


if __name__ == "__main__":
    main()
