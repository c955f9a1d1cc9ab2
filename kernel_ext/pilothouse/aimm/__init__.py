"""Client library of the AIMM REPL control: model instances that live elsewhere.

    juggler/    the protocol under it: requests, answers and a shared state
    values/     what travels: arrays, frames, data access, in two encodings

What may be imported here: `pilothouse.errors`, `pilothouse.transport` and what a module
needs of the outside; never another client, IPython, widgets or services.
"""
