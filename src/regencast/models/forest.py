"""A random forest, on measured rows or on all rows by way of conditional means."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from regencast.models.baseline import RandomEffectsMean
from regencast.models.likelihood import Floats, Targets, conditional_mean, share_removed
from regencast.models.residual import ResidualRegressor

#: Stands for a number that is not reported: below every standardised value, so a split can find it.
MISSING = -1e6


class IntervalForest(ResidualRegressor):
    """Random forest on the residuals of the baseline, weighted by 1 / (v + tau2).

    Direction-only rows enter by their conditional mean given their interval and the forest's own
    out-of-bag forecast (Buckley-James), renewed ``n_passes`` times, at the weight of the share of
    the spread that the interval removes.

    Parameters
    ----------
    n_estimators : int, default 300
    min_samples_leaf : int, default 4
    max_features : float, default 0.35
    max_depth : int, default 12
        Keeps exact Shapley values affordable; their cost rises with its square.
    use_intervals : bool, default True
        Whether direction-only rows take part; without them it is a forest on measured rows.
    n_passes : int, default 2
    random_state : int, default 0
    baseline : RandomEffectsMean, optional

    Attributes
    ----------
    forest_ : RandomForestRegressor
        Its forecast is added to the baseline.
    """

    def __init__(
        self,
        n_estimators: int = 300,
        min_samples_leaf: int = 4,
        max_features: float = 0.35,
        max_depth: int = 12,
        use_intervals: bool = True,
        n_passes: int = 2,
        random_state: int = 0,
        baseline: RandomEffectsMean | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.max_depth = max_depth
        self.use_intervals = use_intervals
        self.n_passes = n_passes
        self.random_state = random_state
        self.baseline = baseline

    def _learn(
        self,
        X: np.ndarray,
        targets: Targets,
        weight: Floats,
        start: Floats,
        studies: np.ndarray,
    ) -> None:
        X = fill_missing(X)
        sd = np.sqrt(self.baseline_.tau2_ + targets.variance + 1e-9)
        forecast = start
        passes = 1 if targets.points.all() else self.n_passes
        for place in range(passes):
            expected = conditional_mean(forecast, sd, targets.lower, targets.upper)
            informed = share_removed(forecast, sd, targets.lower, targets.upper)
            last = place == passes - 1
            self.forest_ = self._grow(X, expected - start, weight * informed / sd**2, not last)
            if not last:
                bagged = self.forest_.oob_prediction_
                forecast = start + np.where(np.isfinite(bagged), bagged, 0.0)

    def _grow(
        self, X: np.ndarray, residual: Floats, weight: Floats, bagged: bool
    ) -> RandomForestRegressor:
        forest = RandomForestRegressor(
            self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            max_depth=self.max_depth,
            oob_score=bagged,
            random_state=self.random_state,
            n_jobs=1,
        )
        with warnings.catch_warnings():
            # A row that every tree saw has no out-of-bag forecast; it then keeps the baseline's.
            warnings.filterwarnings("ignore", message="Some inputs do not have OOB")
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            return forest.fit(X, residual, sample_weight=weight / weight.mean())

    def _residual(self, X: np.ndarray) -> Floats:
        # What `RandomForestRegressor.predict` does, without starting a job for each tree, which
        # takes most of the time where the designs are few.
        filled = fill_missing(X).astype(np.float32)
        total = np.zeros(len(filled))
        for tree in self.forest_.estimators_:
            total += tree.tree_.predict(filled)[:, 0]
        return total / len(self.forest_.estimators_)


def fill_missing(X: np.ndarray) -> np.ndarray:
    """Return the matrix that the trees see: missing numbers stand below every other value."""
    return np.where(np.isnan(X), MISSING, X)
