"""The local FastScore suite: Connect, Model Manage and engines behind one proxy.

    suite         the suite: one store, one bus, its instances
    instance      what all instances have: health, description, sensors
    proxy         from a raw path to an instance and its handler
    connect       fleet, configuration, Pneumo
    model_manage  models, attachments, snapshots, schemas, streams, sensors
    store         what survives the process; with it database, tables, rows,
                  snapshot_store and attachment_files
    attachments, snapshots   Model Manage's endpoints for these
    configuration the configuration's YAML
    bus           Pneumo messages: history and subscribers
    sensors       tapping points and installed sensors; sensing, aggregates,
                  system_taps are their parts
    service       all of it as a service of the host
    engine        the Engine

It imports `pilothouse.fastscore.wire` (and, in ``engine``, ``.runtime``), never the
client.
"""
