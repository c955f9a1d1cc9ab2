"""The Fastmap wire: values and their grammar, no I/O.

Shared by the client library, the workers and the local service. The modules:

    limits     how large things may be
    token      the two halves of a token, signatures of bodies, bound signatures
    words      status words, of the document and of the real clients
    headers    names of headers; Python versions, seconds and credits in them
    gz         gzip with a bound on what comes out
    packed     MessagePack maps with exact types
    bodies     requests: init, map, done, and those of the feature "resume"
    answers    bodies of answers
    func_dict  the function dictionary, its blob and its hashes

It imports `pilothouse.errors` and nothing else of pilothouse.
"""
