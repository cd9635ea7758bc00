"""Explaining: a `Forecaster` and its corpus in, factor-level SHAP tables and plots out.

Comes in: a trained `Forecaster`, its `Corpus`, designs.
Goes out: PNG plots and tables.
Must not know: tracking, the command line.
"""

from regencast.explaining.importance import Importance, factor_importance
from regencast.explaining.skill_plots import draw_coverage, draw_observed, draw_reliability
from regencast.explaining.write import explain, is_explained, remove_earlier

__all__ = [
    "Importance",
    "draw_coverage",
    "draw_observed",
    "draw_reliability",
    "explain",
    "factor_importance",
    "is_explained",
    "remove_earlier",
]
