"""Steer remote engines, models, runs and probes from a notebook."""

__version__ = "0.1.0"
