"""A module beside the script: travels as a source. Größe, naïveté, 数."""

UNIT = "µs"


def squared(number):
    """The square, in a text that is not ASCII."""
    return f"{number * number} {UNIT}"
