"""Where streams read from and write to, REST aside.

    base     what readers and writers are
    opening  from a descriptor to a reader or a writer; what is not supported
    file, inline, discard, http, tcp, udp, exec   one module for each

REST streams are queues of the engine itself (`..rest`).
"""
