"""The likelihood of interval-valued effects: one formula for points, bounds and open intervals.

An observed effect is normal about the mean with variance tau2 + v. A measured row gives the
density at its point, a direction-only row the probability of its interval (Tobin 1958,
Econometrica 26:24-36; for intervals Stewart 1983, Rev Econ Stud 50:737-753).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

Floats = NDArray[np.float64]
LOG_ROOT_2PI = 0.5 * np.log(2 * np.pi)
#: Probabilities below exp(-50) say "impossible" loudly enough; it keeps one wild row finite.
FLOOR = -50.0


class Targets(NamedTuple):
    """Lower and upper bound and sampling variance of each observed effect, shape (n,) each."""

    lower: Floats
    upper: Floats
    variance: Floats

    @property
    def points(self) -> np.ndarray:
        """Rows whose effect is a number."""
        return self.lower == self.upper

    def centre(self, fallback: ArrayLike = 0.0) -> Floats:
        """Return the points, and ``fallback`` for intervals."""
        return np.where(self.points, self.lower, fallback)


def as_targets(y: ArrayLike) -> Targets:
    """Read the targets of a fit.

    Parameters
    ----------
    y : array_like, shape (n,), (n, 2) or (n, 3)
        Points; or lower and upper bounds; or bounds and sampling variance. Bounds may be infinite.

    Returns
    -------
    Targets
        Variance zero where none was given.

    Raises
    ------
    ValueError
        If a bound is NaN, a lower bound exceeds its upper bound, or a variance is negative.
    """
    y = np.asarray(y, dtype=float)
    if y.ndim == 1:
        targets = Targets(y, y, np.zeros_like(y))
    elif y.ndim == 2 and y.shape[1] in (2, 3):
        variance = y[:, 2] if y.shape[1] == 3 else np.zeros(len(y))
        targets = Targets(y[:, 0], y[:, 1], variance)
    else:
        raise ValueError(f"y must have shape (n,), (n, 2) or (n, 3), not {y.shape}")
    if np.isnan(y).any() or np.isinf(targets.variance).any():
        raise ValueError("y contains NaN, or a variance is infinity")
    if np.isinf(targets.lower[targets.points]).any():
        raise ValueError("y contains infinity as a point")
    if (targets.lower > targets.upper).any() or (targets.variance < 0).any():
        raise ValueError("a lower bound exceeds its upper bound, or a variance is negative")
    return targets


def log_likelihood(
    mean: ArrayLike, sd: ArrayLike, lower: ArrayLike, upper: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return the log-likelihood of intervals under normal distributions, with its derivatives.

    Parameters
    ----------
    mean, sd : array_like
        Of the observed effect.
    lower, upper : array_like
        Interval of the observed effect; equal for a point.

    Returns
    -------
    value : ndarray
        log density of points, log probability of intervals.
    d_mean : ndarray
        Derivative by the mean.
    d_log_sd : ndarray
        Derivative by the logarithm of the standard deviation.

    Examples
    --------
    >>> value, _, _ = log_likelihood(0.0, 1.0, [0.0, 0.0], [0.0, np.inf])
    >>> value.round(4).tolist()
    [-0.9189, -0.6931]
    """
    mean, sd, lower, upper = np.broadcast_arrays(
        *(np.asarray(a, dtype=float) for a in (mean, sd, lower, upper))
    )
    point = lower == upper
    with np.errstate(invalid="ignore"):
        low = (lower - mean) / sd
        high = (upper - mean) / sd
    value = np.empty(mean.shape)
    d_mean = np.empty(mean.shape)
    d_log_sd = np.empty(mean.shape)
    z = low[point]
    value[point] = -0.5 * z**2 - np.log(sd[point]) - LOG_ROOT_2PI
    d_mean[point] = z / sd[point]
    d_log_sd[point] = z**2 - 1
    a, b = low[~point], high[~point]
    log_p = np.maximum(_log_probability(a, b), FLOOR)
    left, right = (np.exp(-0.5 * x**2 - LOG_ROOT_2PI - log_p) for x in (a, b))
    value[~point] = log_p
    d_mean[~point] = (left - right) / sd[~point]
    d_log_sd[~point] = _times(a, left) - _times(b, right)
    return value, d_mean, d_log_sd


def conditional_mean(mean: Floats, sd: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return the expected observed effect, given that it lies in its interval.

    Parameters
    ----------
    mean, sd, lower, upper : ndarray
        As in `log_likelihood`.

    Returns
    -------
    ndarray
        The point itself for points; the mean of the truncated normal for intervals.

    References
    ----------
    Buckley and James 1979, Biometrika 66:429-436, for its use in regression.

    Examples
    --------
    >>> x = np.zeros(1)
    >>> conditional_mean(x, x + 1, x, x + np.inf).round(4).tolist()
    [0.7979]
    """
    _, slope, _ = log_likelihood(mean, sd, lower, upper)
    # For a truncated normal the mean moves by sd^2 times the slope of its log probability.
    expected = mean + sd**2 * slope
    return np.where(lower == upper, lower, np.clip(expected, lower, upper))


def share_removed(mean: Floats, sd: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return the share of an effect's variance that knowing its interval removes.

    Parameters
    ----------
    mean, sd, lower, upper : ndarray
        As in `log_likelihood`.

    Returns
    -------
    ndarray
        One less the variance of the truncated normal over ``sd^2``; 1 for points. It is minus the
        second derivative of the log probability by the standardised mean. An interval ten standard
        deviations away, where the probability has its floor, tells nothing.

    Examples
    --------
    >>> x = np.zeros(1)
    >>> share_removed(x, x + 1, x, x + np.inf).round(4).tolist()
    [0.6366]
    """
    _, slope, by_log_sd = log_likelihood(mean, sd, lower, upper)
    return np.where(lower == upper, 1.0, np.clip((sd * slope) ** 2 - by_log_sd, 0.0, 1.0))


def _log_probability(a: Floats, b: Floats) -> Floats:
    """Return log(Phi(b) - Phi(a)) without cancellation in the tails."""
    flip = a > 0
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    top, bottom = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):
        return top + np.log1p(-np.exp(np.minimum(bottom - top, 0.0)))


def _times(x: Floats, density: Floats) -> Floats:
    """Return x times density, zero where x is infinite."""
    return np.where(np.isfinite(x), x, 0.0) * density
