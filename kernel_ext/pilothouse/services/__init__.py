"""Local peers of the four wires, in one process of their own.

    up, down, status   start, stop and find the process, from Python
    host               the process: one asyncio loop with a registry of services
    runtime_files      how running ones are found: 0600 files in Jupyter's folder
    spawn              starts a detached process and waits until it is healthy
    web, routing, auth what an HTTP service is made of
    storage            telling a full disk from other failures
    fastscore          Connect, Model Manage and engines

It imports `pilothouse.errors` and the wire modules, never a client, a widget or a
magic. Users' code runs in child processes.
"""
