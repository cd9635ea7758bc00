"""Forecasting: proposed designs and a `Forecaster` in, scores with reasons and precedents out.

Comes in: a table of designs, a trained `Forecaster`.
Goes out: the columns of ``regencast score``; Shapley values by factor.
Must not know: how the model was chosen, plots, the command line.
"""

from regencast.forecasting.attribution import Attribution, encoded_shapley, factor_shapley
from regencast.forecasting.designs import check_designs, design_names, read_designs, typed_designs
from regencast.forecasting.headers import misspelt_columns
from regencast.forecasting.local import Reasons, explain_design, score_steps
from regencast.forecasting.precedents import found_text, precedents
from regencast.forecasting.score import TEXTS, score_designs
from regencast.forecasting.understand import understand
from regencast.forecasting.unknown import average_unknown

__all__ = [
    "TEXTS",
    "Attribution",
    "Reasons",
    "average_unknown",
    "check_designs",
    "design_names",
    "encoded_shapley",
    "explain_design",
    "factor_shapley",
    "found_text",
    "misspelt_columns",
    "precedents",
    "read_designs",
    "score_designs",
    "score_steps",
    "typed_designs",
    "understand",
]
