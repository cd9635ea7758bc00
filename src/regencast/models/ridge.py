"""Censored (Tobit) ridge meta-regression."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from regencast.models.baseline import RandomEffectsMean
from regencast.models.likelihood import Floats, Targets, log_likelihood
from regencast.models.residual import ResidualRegressor


class CensoredRidge(ResidualRegressor):
    """Linear meta-regression on points and intervals with a normal prior on the slopes.

    Minimises ``-sum w log p(interval | b(x) + a + z'beta, tau2 + v) + |beta|^2 / (2 reach^2)``
    over a, beta and tau, with z the standardised features and a missing mark beside every number
    that is not always reported.

    Parameters
    ----------
    reach : float, default 0.1
        Standard deviation of the prior of a slope, in g per standard deviation of a feature.
    use_intervals : bool, default True
        Whether direction-only rows take part.
    baseline : RandomEffectsMean, optional

    Attributes
    ----------
    intercept_ : float
        Shift of the baseline.
    coef_ : ndarray, shape (n_columns,)
        Slopes on the standardised columns.
    tau2_ : float
        Between-study variance that remains.
    """

    #: Models of earlier editions have no bounds.
    _low: Floats | float = -np.inf
    _high: Floats | float = np.inf

    def __init__(
        self,
        reach: float = 0.1,
        use_intervals: bool = True,
        baseline: RandomEffectsMean | None = None,
    ) -> None:
        self.reach = reach
        self.use_intervals = use_intervals
        self.baseline = baseline

    def _learn(
        self,
        X: np.ndarray,
        targets: Targets,
        weight: Floats,
        start: Floats,
        studies: np.ndarray,
    ) -> None:
        self._standardise(X, weight)
        Z = self._columns(X)
        tau0 = np.sqrt(max(self.baseline_.tau2_, 1e-6))
        unit = tau0

        def loss(theta: Floats) -> tuple[float, Floats]:
            shift, log_tau, beta = theta[0] * unit, theta[1], theta[2:] * unit
            tau2 = (tau0 * np.exp(log_tau)) ** 2
            variance = tau2 + targets.variance
            value, d_mean, d_log_sd = log_likelihood(
                start + shift + Z @ beta, np.sqrt(variance), targets.lower, targets.upper
            )
            # The shift is the baseline's business: it moves by little; tau stays near its estimate.
            cost = -np.sum(weight * value) + 0.5 * np.sum((beta / self.reach) ** 2)
            cost += 0.5 * (theta[0] / 0.3) ** 2 + 0.5 * (log_tau / 0.5) ** 2
            slope = np.empty_like(theta)
            slope[0] = -np.sum(weight * d_mean) * unit + theta[0] / 0.09
            slope[1] = -np.sum(weight * d_log_sd * tau2 / variance) + log_tau / 0.25
            slope[2:] = (-(Z.T @ (weight * d_mean)) + beta / self.reach**2) * unit
            return float(cost), slope

        best = minimize(
            loss,
            np.zeros(2 + Z.shape[1]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None), (-5.0, 3.0), *[(None, None)] * Z.shape[1]],
            options={"maxiter": 500},
        )
        self.intercept_ = float(best.x[0] * unit)
        self.tau2_ = float((tau0 * np.exp(best.x[1])) ** 2)
        self.coef_ = best.x[2:] * unit

    def _residual(self, X: np.ndarray) -> Floats:
        return self.intercept_ + self._columns(X) @ self.coef_

    def parts(self, X: np.ndarray) -> Floats:
        """Return what each feature adds to the forecast of an average design.

        Exact Shapley values of a linear model: slope times distance from the mean.

        Returns
        -------
        ndarray, shape (n, n_features)
            In g; a missing mark counts with its feature.
        """
        parts = self._columns(X) * self.coef_
        values = parts[:, : X.shape[1]].copy()
        values[:, self._marked] += parts[:, X.shape[1] :]
        return values

    def _standardise(self, X: np.ndarray, weight: Floats) -> None:
        missing = np.isnan(X)
        share = np.where(missing, 0.0, weight[:, None])
        self._centre = (share * np.where(missing, 0.0, X)).sum(axis=0)
        self._centre /= np.maximum(share.sum(axis=0), 1e-12)
        filled = np.where(missing, self._centre, X)
        counted = filled[weight > 0]
        self._low, self._high = counted.min(axis=0), counted.max(axis=0)
        self._scale = _spread(filled, weight)
        self._marked = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0))
        marks = missing[:, self._marked].astype(float)
        self._mark_centre = np.average(marks, axis=0, weights=weight)
        self._mark_scale = _spread(marks, weight)

    def _columns(self, X: np.ndarray) -> np.ndarray:
        """Return standardised features, then marks of missing numbers, shape (n, n_columns)."""
        missing = np.isnan(X)
        # A line does not end where its studies do: beyond them it stays where they left it.
        inside = np.clip(np.where(missing, self._centre, X), self._low, self._high)
        values = (inside - self._centre) / self._scale
        marks = (missing[:, self._marked] - self._mark_centre) / self._mark_scale
        return np.hstack([values, marks])


def _spread(columns: np.ndarray, weight: Floats) -> Floats:
    """Return the weighted standard deviation of each column, 1 where it does not vary."""
    centre = np.average(columns, axis=0, weights=weight)
    spread = np.sqrt(np.average((columns - centre) ** 2, axis=0, weights=weight))
    return np.where(spread > 1e-12, spread, 1.0)
