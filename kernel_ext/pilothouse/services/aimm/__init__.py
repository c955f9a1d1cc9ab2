"""A local AIMM server: the REPL control on ``/ws`` and ``/``.

    service        starts and ends it
    configuration  its file: ours, and that of the real server
    connection     one client's websocket
    control        what clients may ask
    view           what one client knows of the state, and its patches
    engine         instances, actions, who may have which when
    entries        instances and actions as they are told
    children       the plugin processes; child, frames, aliases run in them
    store          instances in SQLite
    examples/      plugins of the local server

What may be imported here: `pilothouse.errors`, the wire modules of `pilothouse.aimm`
(juggler, values, plugins, extensions) and other services; never the client.
"""
