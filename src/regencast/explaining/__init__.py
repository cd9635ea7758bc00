"""Explaining: a `Forecaster` and its corpus in, factor-level SHAP plots out.

Comes in: a trained `Forecaster`, its `Corpus`, designs.
Goes out: PNG plots and tables.
Must not know: training, the command line.
"""

from regencast.explaining.plots import explain

__all__ = ["explain"]
