"""Hedges' g, its sampling variance and its critical value.

Reference values come from metafor's ``escalc(measure="SMD", vtype="LS")``, pinned in the tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import norm, t

Floats = NDArray[np.float64]
Z95 = float(norm.ppf(0.975))


def small_sample_correction(df: ArrayLike) -> Floats:
    """Return Hedges' exact factor J(df), which makes Cohen's d unbiased.

    Parameters
    ----------
    df : array_like
        Degrees of freedom, n1 + n2 - 2; above 1.

    Returns
    -------
    ndarray
        Between 0 and 1.

    References
    ----------
    Hedges 1981, J Educ Stat 6:107-128, eq. 6e: J = G(m/2) / (sqrt(m/2) G((m-1)/2)).

    Examples
    --------
    >>> round(float(small_sample_correction(10)), 6)
    0.922746
    """
    m = np.asarray(df, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.exp(gammaln(m / 2) - 0.5 * np.log(m / 2) - gammaln((m - 1) / 2))
    return np.where(m > 1, factor, np.nan)


def hedges_g(
    mean_treated: ArrayLike,
    mean_control: ArrayLike,
    sd_treated: ArrayLike,
    sd_control: ArrayLike,
    n_treated: ArrayLike,
    n_control: ArrayLike,
) -> Floats:
    """Return the standardised mean difference with the exact small-sample correction.

    Parameters
    ----------
    mean_treated, mean_control, sd_treated, sd_control : array_like
        Group means and standard deviations, in the outcome's unit.
    n_treated, n_control : array_like
        Animals per group, at least 2.

    Returns
    -------
    ndarray
        g = J(n1 + n2 - 2) (m1 - m2) / pooled SD; NaN where the pooled SD is zero or missing.

    References
    ----------
    Hedges 1981, J Educ Stat 6:107-128.

    Examples
    --------
    >>> round(float(hedges_g(12.0, 10.0, 2.0, 2.0, 8, 8)), 6)
    0.945288
    """
    n1, n2 = np.asarray(n_treated, float), np.asarray(n_control, float)
    sd1, sd2 = np.asarray(sd_treated, float), np.asarray(sd_control, float)
    df = n1 + n2 - 2
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / df)
        d = (np.asarray(mean_treated, float) - np.asarray(mean_control, float)) / pooled
    return np.where(pooled > 0, small_sample_correction(df) * d, np.nan)


def hedges_variance(g: ArrayLike, n_treated: ArrayLike, n_control: ArrayLike) -> Floats:
    """Return the large-sample variance of g, metafor's default (``vtype="LS"``).

    Parameters
    ----------
    g : array_like
        Corrected standardised mean difference.
    n_treated, n_control : array_like
        Animals per group.

    Returns
    -------
    ndarray
        1/n1 + 1/n2 + g^2 / (2 (n1 + n2)).

    References
    ----------
    Hedges and Olkin 1985, eq. 5.14, with the corrected g as in metafor 3.8 ``escalc``.

    Examples
    --------
    >>> round(float(hedges_variance(0.94529, 8, 8)), 6)
    0.277924
    """
    n1, n2 = np.asarray(n_treated, float), np.asarray(n_control, float)
    return 1 / n1 + 1 / n2 + np.asarray(g, float) ** 2 / (2 * (n1 + n2))


def critical_g(n_treated: ArrayLike, n_control: ArrayLike, alpha: float = 0.05) -> Floats:
    """Return the smallest g that a two-sided t-test of two groups calls significant.

    Parameters
    ----------
    n_treated, n_control : array_like
        Animals per group.
    alpha : float, default 0.05

    Returns
    -------
    ndarray
        J(df) t(1 - alpha/2, df) sqrt(1/n1 + 1/n2).

    References
    ----------
    Student's t in terms of d: t = d / sqrt(1/n1 + 1/n2); Hedges and Olkin 1985, ch. 5.

    Examples
    --------
    >>> round(float(critical_g(8, 8)), 4)
    1.0137
    """
    n1, n2 = np.asarray(n_treated, float), np.asarray(n_control, float)
    df = n1 + n2 - 2
    return small_sample_correction(df) * t.ppf(1 - alpha / 2, df) * np.sqrt(1 / n1 + 1 / n2)


def to_sd(spread: ArrayLike, n: ArrayLike, dispersion: ArrayLike) -> Floats:
    """Return standard deviations from spreads of any kind.

    Parameters
    ----------
    spread : array_like
        SD, SEM or half-width of a 95 % confidence interval of the mean.
    n : array_like
        Animals in the group.
    dispersion : array_like of str
        ``sd``, ``sem`` or ``ci95``; anything else gives NaN.

    Returns
    -------
    ndarray
        SD = SEM sqrt(n); SD = half-width sqrt(n) / t(0.975, n - 1).

    References
    ----------
    Cochrane Handbook 6.5, section 6.5.2.2 and 6.5.2.3.

    Examples
    --------
    >>> to_sd([2.0, 1.0], [9, 9], ["sd", "sem"]).tolist()
    [2.0, 3.0]
    """
    spread, n = np.asarray(spread, float), np.asarray(n, float)
    kind = np.asarray(dispersion, dtype=object)
    root = np.sqrt(n)
    quantile = t.ppf(0.975, np.maximum(n - 1, 1))
    return np.select(
        [kind == "sd", kind == "sem", kind == "ci95"],
        [spread, spread * root, spread * root / quantile],
        default=np.nan,
    )


def regeneration_score(g: ArrayLike) -> Floats:
    """Return the score: 100 Phi(g / sqrt 2), the probability of superiority in percent.

    Parameters
    ----------
    g : array_like
        Hedges' g, positive is better.

    Returns
    -------
    ndarray
        0 to 100; 50 means no benefit.

    References
    ----------
    McGraw and Wong 1992, Psychol Bull 111:361-365.

    Examples
    --------
    >>> regeneration_score([0.0, 1.0]).round(2).tolist()
    [50.0, 76.02]
    """
    return 100 * norm.cdf(np.asarray(g, float) / np.sqrt(2))
