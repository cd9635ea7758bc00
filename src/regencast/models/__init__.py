"""Models: estimators that take interval targets, all with scikit-learn's interface.

Comes in: encoded designs, and targets (lower, upper, sampling variance of g) per contrast.
Goes out: fitted estimators whose ``predict`` gives the expected effect of a design, in g.
Must not know: tables, factors, folds, files.
"""

from regencast.models.baseline import Prior, RandomEffectsMean
from regencast.models.boosting import IntervalBoosting
from regencast.models.forest import IntervalForest, fill_missing
from regencast.models.gaussian import StudyProcess
from regencast.models.likelihood import as_targets, conditional_mean, log_likelihood
from regencast.models.ridge import CensoredRidge

__all__ = [
    "CensoredRidge",
    "IntervalBoosting",
    "IntervalForest",
    "Prior",
    "RandomEffectsMean",
    "StudyProcess",
    "as_targets",
    "conditional_mean",
    "fill_missing",
    "log_likelihood",
]
