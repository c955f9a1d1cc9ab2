"""The FastScore wire: values and their grammar, no I/O.

Shared by the client library and the local services. The modules:

    values       strict readers for the fields of a JSON object
    mime         model types, attachment types and their content types
    messages     shapes of the REST API: instances, models, streams, snapshots
    pneumo       Pneumo messages
    rest         REST requests and the reading of their answers
    load         the body of "load model": plain or multipart
    streams      stream descriptors; literals such as ``rest:``
    transports   the ``Transport`` part of a stream descriptor
    sensors      sensor descriptors
    annotations  ``# fastscore.<tag>: <value>`` comments of a model
    avro         schemas: parsing, checking, binary form, compatibility, inference
    controls     control records ``end``, ``set`` and ``pig``

It imports `pilothouse.errors` and nothing else of pilothouse.
"""
