"""Training: a corpus and an experiment in, a validated `Forecaster` out.

Comes in: a `Corpus`, its `Effects`, an `Experiment`.
Goes out: a `Forecaster`, held-out forecasts and what they are worth.
Must not know: plots, the command line.
"""

from regencast.training.blend import Blend
from regencast.training.crossval import cross_validate
from regencast.training.experiment import BUILT_IN, Experiment, read_experiment
from regencast.training.folds import read_folds, study_folds
from regencast.training.forecaster import Forecaster, fit_forecaster
from regencast.training.metrics import Verdict, judge, skill
from regencast.training.order import contrast_order
from regencast.training.storage import load_forecaster, save_forecaster

__all__ = [
    "BUILT_IN",
    "Blend",
    "Experiment",
    "Forecaster",
    "Verdict",
    "contrast_order",
    "cross_validate",
    "fit_forecaster",
    "judge",
    "load_forecaster",
    "read_experiment",
    "read_folds",
    "save_forecaster",
    "skill",
    "study_folds",
]
