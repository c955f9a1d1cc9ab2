"""What runs a model: shared by the client's local score and the engine's jets.

    codec        records as bytes <-> records as a model sees them; the encodings are in
                 json_codec, text_codecs, csv_codec, binary_codecs, soap_codec
    envelopes    cutting a byte stream into records, and putting it together; see also
                 csv_envelope, ocf_envelope, value_splitters
    callbacks    models with begin, action and end
    explicit     models that read and write their slots themselves
    tracebacks   a traceback cut to the lines of the model
    sources      what can be said about a source without running it
    recordsets   records <-> DataFrame, matrix, Series
    state        cells and pools
    module       the module that a model imports as ``fastscore``

No sockets, no child processes. It imports `pilothouse.errors`,
`pilothouse.fastscore.wire` and nothing else of pilothouse.
"""
