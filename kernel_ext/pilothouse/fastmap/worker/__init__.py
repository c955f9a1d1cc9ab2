"""Workers of a map: one child process that holds one function and runs batches.

    child      what runs in the process; one file, for any Python from 3.8 with dill
    process    `WorkerProcess`: starts, feeds and kills one
    outcomes   what comes back from it

Whoever starts a worker never unpickles: bytes go in, bytes come out. It imports
`pilothouse.errors` and the standard library; Linux and macOS.
"""
