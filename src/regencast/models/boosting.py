"""Boosted trees on intervals: XGBoost's accelerated failure time objective."""

from __future__ import annotations

import numpy as np
import xgboost as xgb

from regencast.models.baseline import RandomEffectsMean
from regencast.models.likelihood import Floats, Targets
from regencast.models.residual import ResidualRegressor

#: exp(label) must stay finite in float32.
MAX_LABEL = 60.0


class IntervalBoosting(ResidualRegressor):
    """XGBoost with ``survival:aft`` (normal), label exp(g), on standardised residuals.

    Parameters
    ----------
    max_depth : int, default 3
    n_estimators : int, default 150
    learning_rate : float, default 0.03
    min_child_weight : float, default 5.0
        In measured rows of average weight.
    colsample : float, default 0.4
        Share of the features tried at each split.
    subsample : float, default 0.6
    reg_lambda : float, default 3.0
    use_intervals : bool, default True
        Whether direction-only rows take part.
    random_state : int, default 0
    baseline : RandomEffectsMean, optional

    Attributes
    ----------
    booster_ : xgboost.Booster
        Its margin times ``unit_`` is added to the baseline.
    unit_ : float
        Standard deviation of an observed effect of average weight, in g.

    References
    ----------
    Barnwal, Cho and Hocking 2022, J Comput Graph Stat 31:1292-1302.
    """

    def __init__(
        self,
        max_depth: int = 3,
        n_estimators: int = 150,
        learning_rate: float = 0.03,
        min_child_weight: float = 5.0,
        colsample: float = 0.4,
        subsample: float = 0.6,
        reg_lambda: float = 3.0,
        use_intervals: bool = True,
        random_state: int = 0,
        baseline: RandomEffectsMean | None = None,
    ) -> None:
        self.max_depth = max_depth
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.min_child_weight = min_child_weight
        self.colsample = colsample
        self.subsample = subsample
        self.reg_lambda = reg_lambda
        self.use_intervals = use_intervals
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
        precision = weight / (self.baseline_.tau2_ + targets.variance + 1e-9)
        self.unit_ = float(np.sqrt(weight.sum() / precision.sum()))
        data = xgb.DMatrix(X, weight=precision * self.unit_**2, nthread=1)
        for name, bound in (("lower", targets.lower), ("upper", targets.upper)):
            label = np.clip((bound - start) / self.unit_, -MAX_LABEL, MAX_LABEL)
            open_end = np.isinf(bound)
            edge = np.where(bound > 0, np.inf, 0.0)
            data.set_float_info(f"label_{name}_bound", np.where(open_end, edge, np.exp(label)))
        data.set_base_margin(np.zeros(len(X)))
        settings = {
            "objective": "survival:aft",
            "aft_loss_distribution": "normal",
            "aft_loss_distribution_scale": 1.0,
            "tree_method": "hist",
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_child_weight,
            "colsample_bynode": self.colsample,
            "subsample": self.subsample,
            "reg_lambda": self.reg_lambda,
            "seed": self.random_state,
            "nthread": 1,
        }
        self.booster_ = xgb.train(settings, data, num_boost_round=self.n_estimators)

    def _residual(self, X: np.ndarray) -> Floats:
        margin = self.booster_.predict(self._matrix(X), output_margin=True)
        return self.unit_ * margin.astype(float)

    def parts(self, X: np.ndarray) -> Floats:
        """Return the Shapley values of each feature by TreeSHAP, in g.

        Lundberg and others 2020, Nat Mach Intell 2:56-67.

        Returns
        -------
        ndarray, shape (n, n_features)
        """
        return self.unit_ * self.booster_.predict(self._matrix(X), pred_contribs=True)[:, :-1]

    def interactions(self, X: np.ndarray) -> Floats:
        """Return XGBoost's own SHAP interaction values, in g, shape (n, n_features, n_features)."""
        values = self.booster_.predict(self._matrix(X), pred_interactions=True)
        return self.unit_ * values[:, :-1, :-1]

    def _matrix(self, X: np.ndarray) -> xgb.DMatrix:
        data = xgb.DMatrix(X, nthread=1)
        data.set_base_margin(np.zeros(len(X)))
        return data
