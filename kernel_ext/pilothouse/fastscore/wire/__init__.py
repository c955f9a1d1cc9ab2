"""The FastScore wire: values and their grammar, no I/O.

Shared by the client library and the local services. The modules:

    values       strict readers for the fields of a JSON object
    mime         model types, attachment types and their content types
    messages     shapes of the REST API: instances, models, streams, snapshots
    pneumo       Pneumo messages
    load         the body of "load model": plain or multipart
    disposition  headers such as ``x-model; name="m"``
    streams      stream descriptors; see also literals (``rest:``), envelope_values
    transports   the ``Transport`` part of a stream descriptor
    folded       fields of a descriptor, found in any case
    sensors      sensor descriptors
    annotations  ``# fastscore.<tag>: <value>`` comments of a model
    avro         schemas: parsing, checking, binary form, compatibility, inference; its
                 parts are avro_types, avro_parse, avro_check (generated code),
                 avro_read (reasons), avro_match, avro_walk, avro_infer
    controls     control records ``end``, ``set`` and ``pig``

It imports `pilothouse.errors` and nothing else of pilothouse.
"""
