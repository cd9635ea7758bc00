"""Explaining: a `Forecaster` and its corpus in, factor-level SHAP tables and plots out.

Comes in: a trained `Forecaster`, its `Corpus`, designs.
Goes out: PNG plots and tables.
Must not know: tracking, the command line.
"""

from regencast.explaining.importance import Importance, factor_importance
from regencast.explaining.write import explain

__all__ = ["Importance", "explain", "factor_importance"]
