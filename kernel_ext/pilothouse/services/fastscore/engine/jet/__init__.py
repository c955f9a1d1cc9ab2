"""The inside of a jet: a process of its own that runs one model.

    __main__      the entry: ``python -m pilothouse.services.fastscore.engine.jet``
    guard         what protects the machine from the model, and the jet from itself
    link          frames over the socket to the engine
    framing       what a frame is (also used by the engine)
    serving       takes batches, gives outputs
    slots         bytes to values and back, with the checks of schemas
    scorers       from a model type to what scores its records
    explicit      models that read and write their slots themselves
    state         cells and pools, which the engine holds
    pfa           PFA models, by titus
    foreign       models in C, Java, R and Octave: one line protocol for all
    languages     their files, checks and commands
    r_values      values as expressions of R

It must start fast: nothing heavy is imported before the model asks for it.
"""
