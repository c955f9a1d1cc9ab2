"""Plugins of the local AIMM server: what a first session needs.

    plugins.Line              least squares, fitted step by step; nothing but numpy
    plugins.NearestMean       a class for each row: the nearest mean; nothing but numpy
    plugins.SVC, .Forest      of scikit-learn, where that is installed

    NAME_inputs, NAME_outputs   data sets of scikit-learn: iris, wine, breast_cancer,
                                digits, diabetes
    noisy_line                  points around a line, drawn anew for each seed

Written as a plugin module of the real server is; copy it to begin one of your own.
"""

import importlib.util
import json
import pickle

from aimm import plugins

HAS_SKLEARN = importlib.util.find_spec("sklearn") is not None
DATA_SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes")


@plugins.data_access("noisy_line")
def noisy_line(n=100, slope=2.0, intercept=1.0, noise=0.3, seed=0):
    """Return n points as a frame with the columns x and y."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(seed)
    x = np.linspace(0.0, 10.0, n)
    return pd.DataFrame({"x": x, "y": slope * x + intercept + draw.normal(0, noise, n)})


@plugins.instantiate("plugins.Line")
def make_line(rate=0.01):
    """Return a line that is not fitted yet."""
    return {"rate": rate, "weights": None}


@plugins.fit(["plugins.Line"], state_cb_arg_name="report", instance_arg_name="line")
def fit_line(X, y, epochs=200, *, line, report):
    """Return the line fitted by steps down the gradient, on scaled inputs."""
    import numpy as np

    inputs = _matrix(X)
    center, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-12
    design = np.column_stack([(inputs - center) / spread, np.ones(len(inputs))])
    target = np.asarray(y, dtype=float).ravel()
    weights = np.zeros(design.shape[1])
    rate = max(line["rate"], 1e-6)
    for epoch in range(1, epochs + 1):
        error = design @ weights - target
        weights -= 2 * rate * 10 * design.T @ error / len(target)
        if epoch % max(1, epochs // 50) == 0 or epoch == epochs:
            loss = float(error @ error / len(target))
            report({"epoch": epoch, "epochs": epochs, "loss": loss})
    slopes = weights[:-1] / spread
    offset = weights[-1] - float(slopes @ center)
    return {**line, "weights": [*map(float, slopes), float(offset)]}


@plugins.predict(["plugins.Line"])
def predict_line(line, X):
    """Return one value for each row."""
    import numpy as np

    if line["weights"] is None:
        raise ValueError("this line is not fitted yet")
    weights = np.asarray(line["weights"])
    return _matrix(X) @ weights[:-1] + weights[-1]


@plugins.serialize(["plugins.Line"])
def serialize_line(line):
    """Return the line as JSON."""
    return json.dumps(line).encode()


@plugins.deserialize(["plugins.Line"])
def deserialize_line(data):
    """Return the line that JSON stands for."""
    return json.loads(data)


@plugins.model
class NearestMean(plugins.Model):
    """Gives each row the class whose mean is nearest."""

    def __init__(self):
        self.means = {}

    def fit(self, X, y):
        """Learn the means."""
        import numpy as np

        rows, labels = _matrix(X), np.asarray(y).ravel()
        self.means = {
            k: rows[labels == k].mean(axis=0) for k in np.unique(labels).tolist()
        }
        return self

    def predict(self, X):
        """Return a class for each row."""
        import numpy as np

        if not self.means:
            raise ValueError("this model is not fitted yet")
        labels, means = np.array(list(self.means)), np.stack(list(self.means.values()))
        rows = _matrix(X)
        return labels[((rows[:, None, :] - means) ** 2).sum(axis=2).argmin(axis=1)]

    def serialize(self):
        """Return the means."""
        return json.dumps(
            [[k, list(map(float, m))] for k, m in self.means.items()]
        ).encode()

    @classmethod
    def deserialize(cls, instance_bytes):
        """Return the model that the means stand for."""
        import numpy as np

        made = cls()
        made.means = {k: np.array(m) for k, m in json.loads(instance_bytes)}
        return made


def _matrix(X):
    import numpy as np

    rows = np.asarray(X, dtype=float)
    return rows.reshape(-1, 1) if rows.ndim == 1 else rows


class Pickled(plugins.Model):
    """A model of scikit-learn, kept as a pickle."""

    def fit(self, X, y):
        """Fit the estimator."""
        self.estimator.fit(X, y)
        return self

    def predict(self, X):
        """Return the estimator's prediction."""
        return self.estimator.predict(X)

    def serialize(self):
        """Return the estimator as bytes."""
        return pickle.dumps(self.estimator)

    @classmethod
    def deserialize(cls, instance_bytes):
        """Return the model that bytes stand for."""
        made = cls.__new__(cls)
        made.estimator = pickle.loads(instance_bytes)
        return made


if HAS_SKLEARN:

    @plugins.model
    class SVC(Pickled):
        """Support vectors, with scikit-learn's own arguments."""

        def __init__(self, gamma=0.001, C=100.0, **options):
            from sklearn.svm import SVC as Estimator

            self.estimator = Estimator(gamma=gamma, C=C, **options)

    @plugins.model
    class Forest(Pickled):
        """A random forest, with scikit-learn's own arguments."""

        def __init__(self, n_estimators=100, **options):
            from sklearn.ensemble import RandomForestClassifier

            self.estimator = RandomForestClassifier(n_estimators, **options)

    def _declare(name):
        def loaded():
            from sklearn import datasets

            return getattr(datasets, f"load_{name}")(as_frame=True)

        @plugins.data_access(f"{name}_inputs")
        def inputs():
            return loaded().data

        @plugins.data_access(f"{name}_outputs")
        def outputs():
            return loaded().target

    for _name in DATA_SETS:
        _declare(_name)
