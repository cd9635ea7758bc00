"""How many animals a group needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike
from scipy.stats import chi2, norm, t

FEWEST, MOST = 2, 1000
#: Nodes over the pooled variance.
STEPS = 120


def power(effect: ArrayLike, n: int, alpha: float = 0.05) -> np.ndarray:
    """Return the power of the two-sided two-sample t-test, equal groups.

    The chance that a noncentral t exceeds its critical value (Cohen 1988, Statistical Power
    Analysis). It is integrated over the pooled variance, because scipy's noncentral t, on which
    statsmodels' `TTestIndPower` rests, gives no number for many large effects; where it gives one
    the two agree to 1e-6.

    Parameters
    ----------
    effect : array_like
        Standardised mean difference.
    n : int
        Animals per group, at least 2.
    alpha : float, default 0.05

    Returns
    -------
    ndarray

    Examples
    --------
    >>> round(float(power(0.5, 64)), 3)
    0.801
    """
    shift = np.asarray(effect, dtype=float) * np.sqrt(n / 2)
    return _beyond(shift, n, alpha) + _beyond(-shift, n, alpha)


def _beyond(shift: np.ndarray, n: int, alpha: float, spread: float = 0.0) -> np.ndarray:
    """Return the chance of significance on the upper side for a normal noncentrality.

    Its mean is ``shift`` and its standard deviation ``spread``: given the pooled variance, the mean
    of a normal's distribution function over a normal is one again.
    """
    df = 2 * n - 2
    nodes, weights = leggauss(STEPS)
    pooled = np.sqrt(chi2.ppf(0.5 * (nodes + 1), df) / df)
    above = shift[..., None] - t.ppf(1 - alpha / 2, df) * pooled
    # The weights sum to 2 but for the last digit.
    return np.minimum(norm.cdf(above / np.hypot(1.0, spread)) @ weights / 2, 1.0)


def assurance(mean: float, sd: float, n: int, alpha: float = 0.05) -> float:
    """Return the chance of a significant benefit, averaged over what the true effect may be.

    O'Hagan, Stevens and Campbell 2005, Pharm Stat 4:187-201: the power in the direction of benefit
    integrated over a normal distribution of the true effect.

    Parameters
    ----------
    mean, sd : float
        Of the true effect's distribution, in g; sampling noise is no part of it.
    n : int
        Animals per group.
    alpha : float, default 0.05
        Two-sided.
    """
    scale = np.sqrt(n / 2)
    return float(_beyond(np.asarray(mean * scale), n, alpha, sd * scale))


def chance_of_benefit(mean: float, sd: float) -> float:
    """Return the chance that the true effect is a benefit: no assurance is higher.

    Examples
    --------
    >>> round(chance_of_benefit(1.0, 1.0), 3), chance_of_benefit(0.5, 0.0)
    (0.841, 1.0)
    """
    return float(norm.cdf(mean / sd)) if sd > 0 else float(mean > 0)


def animals_for_power(effect: float, wanted: float = 0.8, alpha: float = 0.05) -> int | None:
    """Return the fewest animals per group for a wanted power; None beyond 1,000.

    Examples
    --------
    >>> animals_for_power(0.5), animals_for_power(0.8)
    (64, 26)
    """
    return _fewest(lambda n: float(power(effect, n, alpha)), wanted)


def animals_for_assurance(
    mean: float, sd: float, wanted: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Return the fewest animals per group for a wanted assurance; None where 1,000 do not suffice.

    No number of animals suffices where `chance_of_benefit` is not above what is wanted.

    Examples
    --------
    >>> animals_for_assurance(2.0, 2.0), animals_for_assurance(2.0, 2.0, 0.9)
    (81, None)
    """
    return _fewest(lambda n: assurance(mean, sd, n, alpha), wanted)


def with_attrition(animals: int | None, attrition: float) -> int | None:
    """Return how many animals to start with so that enough are left."""
    return None if animals is None else int(np.ceil(animals / (1 - attrition) - 1e-9))


def _fewest(chance: Callable[[int], float], wanted: float) -> int | None:
    """Return the smallest n in range whose chance reaches what is wanted; it rises with n."""
    if chance(MOST) < wanted:
        return None
    low, high = FEWEST - 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= wanted else (middle, high)
    return high
