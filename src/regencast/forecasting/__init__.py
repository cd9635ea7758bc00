"""Forecasting: proposed designs and a `Forecaster` in, scores with reasons and precedents out.

Comes in: a table of designs, a trained `Forecaster`.
Goes out: the columns of ``regencast score``; Shapley values by factor.
Must not know: how the model was chosen, plots, the command line.
"""

from regencast.forecasting.attribution import Attribution, encoded_shapley, factor_shapley
from regencast.forecasting.designs import check_designs, design_names, read_designs
from regencast.forecasting.score import score_designs

__all__ = [
    "Attribution",
    "check_designs",
    "design_names",
    "encoded_shapley",
    "factor_shapley",
    "read_designs",
    "score_designs",
]
