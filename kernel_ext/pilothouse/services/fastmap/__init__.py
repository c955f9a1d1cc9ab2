"""The Fastmap service: functions by hash, runs, batches on workers (contract §5, §6).

    service            starts and ends it; `options` are its bounds and prices
    door, calls        one request: the checks in their order, then the endpoint
    answers            replies: status word, content type, signatures
    accounts           tokens and what they have spent
    functions, uploads functions on disk by token and hash; parts that come in
    runs, book         one run and its batches; all runs, until they end or expire
    kept               results and waiting batches, in memory and on disk, bounded
    dispatch           whose batch is next
    crew               workers here: child processes, warm ones in reserve
    pythons            interpreters of this machine that have dill
    installing         requirements into a folder of their own, if that is allowed
    cluster, tasks     a Dask cluster, and one batch on it
    far                what runs on its workers

Plain HTTP is for this machine. To listen elsewhere is an explicit choice (``--host``),
which warns unless there is TLS: half of the token travels with each request.

This process never unpickles: bytes of users go to workers, which have no key.
"""
