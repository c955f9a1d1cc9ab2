"""mpcli: the shell of the reference document, and its commands for anybody else.

    words        the commands, what they take, how a line is read; no I/O
    commands     `Commands`: each command as a method that returns a value
    completion   what may stand at the end of a line
    telling      what the shell says about a value, in the reference shell's words
    loop         a line in, lines out; asks for what a run still needs
    reading      lines from a terminal with history and Tab, or from a pipe
    main         the ``mpcli`` command

``%mplane`` uses `commands`, `words` and `completion`. It imports the model and the
client, and when it is used.
"""

from __future__ import annotations

__all__: list[str] = []
