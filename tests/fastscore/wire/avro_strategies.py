"""Hypothesis strategies: Avro schemas, and values that fit them."""

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c", "x1", "_y"])
PLAIN = ("null", "boolean", "int", "long", "float", "double", "string")
FLOATS = st.floats(allow_nan=False, width=32)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def schemas(draw, depth=3, plain_only=False, records=True):
    """Draw a schema; named types get names of their own."""
    counter = draw(st.shared(st.builds(list), key="names"))
    counter.clear()
    return _schema(draw, depth, counter, plain_only=plain_only, records=records)


def _name(counter, prefix):
    counter.append(prefix)
    return f"{prefix}{len(counter)}"


def _schema(draw, depth, counter, *, plain_only, records, in_union=False):
    primitives = PLAIN if plain_only else (*PLAIN, "bytes")
    kinds = [*primitives]
    if depth:
        kinds += ["array", "map", "enum", *(["record"] if records else [])]
        if not plain_only:
            kinds += ["fixed"]
        if not in_union:
            kinds += ["union"]
    kind = draw(st.sampled_from(kinds))

    def inner(**options):
        return _schema(
            draw, depth - 1, counter, plain_only=plain_only, records=records, **options
        )

    if kind == "array":
        return {"type": "array", "items": inner()}
    if kind == "map":
        return {"type": "map", "values": inner()}
    if kind == "enum":
        return {
            "type": "enum",
            "name": _name(counter, "E"),
            "symbols": ["red", "green"],
        }
    if kind == "fixed":
        return {"type": "fixed", "name": _name(counter, "F"), "size": 3}
    if kind == "record":
        names = draw(st.lists(NAMES, max_size=3, unique=True))
        own = _name(counter, "R")
        fields = [{"name": name, "type": inner()} for name in names]
        return {"type": "record", "name": own, "fields": fields}
    if kind == "union":
        branches = {}
        for _ in range(draw(st.integers(1, 3))):
            branch = inner(in_union=True)
            branches.setdefault(tag_of(branch), branch)
        return list(branches.values())
    return kind


def tag_of(schema):
    """Return what tags a branch of a union."""
    if isinstance(schema, str):
        return schema
    return schema.get("name", schema["type"])


def values(schema):
    """Return a strategy of values that fit, as a model sees them."""
    if isinstance(schema, list):
        return st.one_of([values(branch) for branch in schema])
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "array":
        return st.lists(values(schema["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(TEXTS, values(schema["values"]), max_size=3)
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "fixed":
        return st.binary(min_size=schema["size"], max_size=schema["size"])
    if kind == "record":
        return st.fixed_dictionaries(
            {field["name"]: values(field["type"]) for field in schema["fields"]}
        )
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": FLOATS,
        "double": st.floats(allow_nan=False) | st.integers(-(2**52), 2**52),
        "string": TEXTS,
        "bytes": st.binary(max_size=5),
    }[kind]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.sampled_from(["red", "green", "blue"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS | NAMES, inner, max_size=3)
    ),
    max_leaves=6,
)
