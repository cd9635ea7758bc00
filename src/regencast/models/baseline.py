"""The random-effects mean: what one would forecast without looking at the design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from regencast.models.likelihood import Floats, Targets, as_targets, log_likelihood


@dataclass(frozen=True)
class Prior:
    """What is known of location and spread before the corpus is read.

    Attributes
    ----------
    mean, mean_sd : float
        Normal prior of the mean effect, in g.
    tau, log_tau_sd : float
        Log-normal prior of the between-study standard deviation.
    group_means : tuple of float
        Prior mean of each column in ``group_columns`` of the baseline; NaN where there is none.
    """

    mean: float = 0.0
    mean_sd: float = 2.0
    tau: float = 0.7
    log_tau_sd: float = 1.0
    group_means: tuple[float, ...] = ()


#: Used where a corpus holds too few measured rows to place the scale: wide, centred on no effect.
WEAK = Prior()
#: Fewest measured rows from which the scale is estimated without a prior; more are asked where
#: intervals stand beside them, for a few numbers would then fix the scale of many directions.
MIN_POINTS = 5
MIN_POINTS_AMONG_INTERVALS = 20
#: Rows that a group needs before its mean weighs as much as the overall mean.
GROUP_ROWS = 10.0
#: A prior of log tau that is narrower than this leaves nothing to search.
PINNED = 0.01


class RandomEffectsMean(RegressorMixin, BaseEstimator):
    """Random-effects mean by maximum likelihood on points and intervals.

    On points without a prior it is metafor's ``rma(yi, vi, method="ML")``.

    Parameters
    ----------
    prior : Prior, optional
        Without one, a wide prior is used only where there are fewer than 5 measured rows (20 where
        there are intervals too).
    group_columns : tuple of int, default ()
        Yes/no columns of X (the tissues) that get a mean of their own, shrunken to the overall
        mean (or to the group's prior mean) as if that were worth 10 rows.

    Attributes
    ----------
    mean_ : float
        Overall mean effect, in g.
    tau2_ : float
        Between-study variance.
    group_means_ : ndarray, shape (n_group_columns,)
        Mean of each group.
    """

    def __init__(self, prior: Prior | None = None, group_columns: tuple[int, ...] = ()) -> None:
        self.prior = prior
        self.group_columns = group_columns

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> RandomEffectsMean:
        """Fit mean and between-study variance.

        Parameters
        ----------
        X : array_like, shape (n, p)
        y : array_like, shape (n,), (n, 2) or (n, 3)
            See `as_targets`.
        sample_weight : array_like, shape (n,), optional

        Returns
        -------
        RandomEffectsMean
            Itself.
        """
        matrix: np.ndarray = validate_data(self, X, ensure_all_finite="allow-nan")
        targets = checked_targets(y, len(matrix))
        weight = checked_weights(sample_weight, len(matrix))
        prior = self.prior
        enough = MIN_POINTS if targets.points.all() else MIN_POINTS_AMONG_INTERVALS
        if prior is None and targets.points.sum() < enough:
            prior = WEAK
        self.mean_, self.tau2_ = fit_mean(targets, weight, prior)
        self.group_means_ = self._fit_groups(matrix, targets, weight, prior)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the mean effect of each design's group, shape (n,)."""
        check_is_fitted(self)
        matrix: np.ndarray = validate_data(self, X, ensure_all_finite="allow-nan", reset=False)
        mean = np.full(len(matrix), self.mean_)
        for column, value in zip(self.group_columns, self.group_means_, strict=True):
            mean = np.where(matrix[:, column] == 1, value, mean)
        return mean

    def _fit_groups(
        self, X: np.ndarray, targets: Targets, weight: Floats, prior: Prior | None
    ) -> Floats:
        """Return each group's posterior mean; its prior is worth ``GROUP_ROWS`` measured rows."""
        total = self.tau2_ + float(np.median(targets.variance))
        known = prior.group_means if prior else ()
        means = np.full(len(self.group_columns), self.mean_)
        for place, column in enumerate(self.group_columns):
            rows = X[:, column] == 1
            centre = known[place] if place < len(known) else np.nan
            centre = self.mean_ if np.isnan(centre) else centre
            own = Prior(centre, np.sqrt(total / GROUP_ROWS), np.sqrt(self.tau2_) + 1e-6, 1e-3)
            part = Targets(*(values[rows] for values in targets))
            means[place] = fit_mean(part, weight[rows], own)[0] if rows.any() else centre
        return means

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.regressor_tags.poor_score = True
        return tags


def fit_mean(targets: Targets, weight: Floats, prior: Prior | None) -> tuple[float, float]:
    """Return the mean and the between-study variance that make the targets likeliest.

    Parameters
    ----------
    targets : Targets
    weight : ndarray, shape (n,)
    prior : Prior or None

    Returns
    -------
    mean, tau2 : float

    Raises
    ------
    ValueError
        If the likelihood is no number, as under a prior that is none.
    """
    points = targets.lower[targets.points]
    centre = float(np.mean(points)) if len(points) else (prior or WEAK).mean
    # A spread that the prior pins needs no search; else it may lie at zero or well above it.
    pinned = prior is not None and prior.log_tau_sd < PINNED
    scale = prior.tau if prior and pinned else _unit(points, targets.variance, prior)

    def loss(theta: Floats) -> tuple[float, Floats]:
        mean, log_tau = theta[0] * scale + centre, theta[1]
        tau2 = np.exp(2 * log_tau) * scale**2
        variance = tau2 + targets.variance
        value, d_mean, d_log_sd = log_likelihood(
            mean, np.sqrt(variance), targets.lower, targets.upper
        )
        cost = -np.sum(weight * value)
        slope = np.array(
            [-np.sum(weight * d_mean) * scale, -np.sum(weight * d_log_sd * tau2 / variance)]
        )
        if prior:
            off = (mean - prior.mean) / prior.mean_sd
            odd = (log_tau + np.log(scale) - np.log(prior.tau)) / prior.log_tau_sd
            cost += 0.5 * (off**2 + odd**2)
            slope += [off / prior.mean_sd * scale, odd / prior.log_tau_sd]
        return float(cost), slope

    starts = (np.log(prior.tau / scale),) if prior and pinned else (-0.5, -6.0)
    best = min(
        (
            minimize(
                loss,
                [0.0, start],
                jac=True,
                method="L-BFGS-B",
                bounds=[(None, None), (-9.0, 4.0)],
                options={"ftol": 1e-14, "gtol": 1e-9},
            )
            for start in starts
        ),
        key=lambda result: result.fun,
    )
    if not np.isfinite(best.fun):
        raise ValueError("the likelihood of mean and spread is no finite number")
    return float(best.x[0] * scale + centre), float(np.exp(2 * best.x[1]) * scale**2)


def _unit(points: Floats, variance: Floats, prior: Prior | None) -> float:
    """Return the unit in which the spread is searched: points that coincide must not shrink it."""
    spread = float(np.std(points)) if len(points) else 0.0
    return max(spread, float(np.sqrt(np.median(variance))), prior.tau if prior else 0.0, 1e-4)


def checked_targets(y: ArrayLike, n: int) -> Targets:
    """Return the targets of a fit on n rows, or say what is wrong with them."""
    targets = as_targets(_one_column(y))
    if len(targets.lower) != n:
        raise ValueError(f"X has {n} rows, y {len(targets.lower)}: inconsistent numbers of samples")
    return targets


def _one_column(y: ArrayLike) -> np.ndarray:
    """Return a column vector as one dimension, with scikit-learn's own warning."""
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        return column_or_1d(array, warn=True)
    if array.ndim == 0 or (array.dtype == object and array.size and array.flat[0] is None):
        raise ValueError("requires y to be passed, but the target y is None")
    return array


def checked_weights(sample_weight: ArrayLike | None, n: int) -> Floats:
    """Return the weights of a fit on n rows, ones where none are given."""
    if sample_weight is None:
        return np.ones(n)
    weight = np.asarray(sample_weight, dtype=float)
    if weight.shape != (n,):
        raise ValueError(f"sample_weight has shape {weight.shape}, not ({n},)")
    if not (weight > 0).any():
        raise ValueError("every sample weight is zero")
    return weight
