"""A plugin module as the real server's documentation has it: SVC and the iris data."""

import pickle

import sklearn.datasets
import sklearn.svm

from aimm import plugins


@plugins.data_access("iris_inputs")
def iris_inputs():
    return sklearn.datasets.load_iris(return_X_y=True)[0]


@plugins.data_access("iris_outputs")
def iris_outputs():
    return sklearn.datasets.load_iris(return_X_y=True)[1]


@plugins.model
class SVC(plugins.Model):
    def __init__(self, gamma=0.001, C=100.0):  # noqa: N803
        self._svc = sklearn.svm.SVC(gamma=gamma, C=C)

    def fit(self, x, y):
        self._svc = self._svc.fit(x, y)
        return self

    def predict(self, x):
        return self._svc.predict(x)

    def serialize(self):
        return pickle.dumps(self)

    @classmethod
    def deserialize(cls, instance_bytes):
        return pickle.loads(instance_bytes)
