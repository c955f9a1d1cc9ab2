"""Environments of the peers that only the bench needs; made when it asks for one.

A peer that cannot be installed on a machine is named in the figures, with the reason.
"""

from __future__ import annotations

from interop.environments import BuildError, Environment

BENTOML = Environment("bench-bentoml", ("bentoml==1.4.39",), compiled=True)
MLSERVER = Environment("bench-mlserver", ("mlserver==1.7.1",), compiled=True)
RAY = Environment("bench-ray", ("ray[serve]==2.60.0",), compiled=True)
DASK = Environment("bench-dask", ("dask[distributed]==2026.8.0",), compiled=True)
IPYPARALLEL = Environment("bench-ipyparallel", ("ipyparallel==9.2.0",), compiled=True)
JOBLIB = Environment("bench-joblib", ("joblib==1.6.0",), compiled=True)
SPARKMAGIC = Environment(
    "bench-sparkmagic",
    (
        "autovizwidget==0.23.0",
        "hdijupyterutils==0.23.0",
        "pyspnego==0.12.4",
        "cryptography==50.0.2",
        "nest_asyncio==1.6.0",
        "notebook==7.6.5",
        "setuptools<81",
    ),
    # Its Kerberos library asks for a compiled one, which plain loading never touches.
    alone=("sparkmagic==0.23.0", "requests-kerberos==0.15.0"),
    compiled=True,
)


def available(*wanted: Environment) -> tuple[dict[str, Environment], str]:
    """Those that could be made, by the peer's name, and what to say of the others."""
    found, missing = {}, []
    for environment in wanted:
        name = environment.name.removeprefix("bench-")
        try:
            environment.ready()
        except BuildError as error:
            reason = str(error).strip().splitlines()[-1]
            missing.append(f"{name} could not be installed: {reason}")
        else:
            found[name] = environment
    return found, "; ".join(missing)
