"""Regencast forecasts the outcome of an animal study before it is run."""

__version__ = "0.1.0"
