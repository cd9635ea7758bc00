"""Intervals for the observed effect of a new study, calibrated over held-out studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from regencast.effects import Effects

LEVEL = 0.90
#: A two-sided 90 % conformal interval needs 19 studies; with fewer it is a normal interval.
MIN_STUDIES = 19


@dataclass(frozen=True)
class Calibration:
    """How far an observed effect lies from its forecast.

    Attributes
    ----------
    tau2 : float
        Spread of observed effects that group sizes do not explain, at the baseline.
    growth : float
        How the log of it grows with the forecast's distance above the baseline.
    low, high : float
        Held-out 5 % and 95 % quantiles of the standardised residual.
    n_studies : int
        Held-out studies with a measured effect.
    sampling : float
        Sampling variance of g = 0 for a group size of the corpus.
    """

    tau2: float
    growth: float
    low: float
    high: float
    n_studies: int
    sampling: float

    @property
    def conformal(self) -> bool:
        """Whether the quantiles are held-out ones rather than the normal's."""
        return self.n_studies >= MIN_STUDIES

    def interval(
        self, forecast: np.ndarray, baseline: np.ndarray, sampling: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the 90 % interval of an observed effect.

        Parameters
        ----------
        forecast, baseline : ndarray, shape (n,)
            In g.
        sampling : ndarray, shape (n,)
            Sampling variance of g = 0 at the planned group sizes; NaN where these are unknown.
        """
        spread = np.where(np.isfinite(sampling), sampling, self.sampling)
        sd = _sd(np.log(self.tau2), self.growth, forecast - baseline, spread)
        return forecast + self.low * sd, forecast + self.high * sd


def calibrate(
    forecast: np.ndarray,
    baseline: np.ndarray,
    effects: Effects,
    studies: np.ndarray,
    sampling: np.ndarray,
    tau2: float,
) -> Calibration:
    """Learn the intervals from held-out forecasts.

    Parameters
    ----------
    forecast, baseline : ndarray, shape (n,)
        Held-out forecasts.
    effects : Effects
        Of the same rows.
    studies : ndarray, shape (n,)
    sampling : ndarray, shape (n,)
        As in `Calibration.interval`; no NaN.
    tau2 : float
        Used where too few rows are measured.
    """
    rows = effects.measured
    usual = float(np.median(sampling))
    names = studies[rows].astype(str)
    n_studies = len(np.unique(names))
    if n_studies < MIN_STUDIES:
        z = float(norm.ppf(0.5 + LEVEL / 2))
        return Calibration(max(tau2, 1e-6), 0.0, -z, z, n_studies, usual)
    residual = effects.point[rows] - forecast[rows]
    step = (forecast - baseline)[rows]
    weight = _fair_weights(names)

    def loss(theta: np.ndarray) -> float:
        sd = _sd(theta[0], theta[1], step, sampling[rows])
        fit = np.sum(weight * (0.5 * (residual / sd) ** 2 + np.log(sd)))
        return float(fit * len(residual) + 0.5 * (theta[1] / 0.5) ** 2)

    start = np.array([np.log(max(tau2, 1e-3)), 0.0])
    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6})
    z = residual / _sd(best.x[0], best.x[1], step, sampling[rows])
    tail = (1 - LEVEL) / 2
    low, high = _quantile(z, weight, tail), _quantile(z, weight, 1 - tail)
    return Calibration(float(np.exp(best.x[0])), float(best.x[1]), low, high, n_studies, usual)


def _sd(log_tau2: float, growth: float, step: np.ndarray, sampling: np.ndarray) -> np.ndarray:
    return np.sqrt(np.exp(np.clip(log_tau2 + growth * step, -12, 8)) + sampling)


def _fair_weights(names: np.ndarray) -> np.ndarray:
    """Return weights that count half by row and half by study: coverage is asked of both."""
    sizes = pd.Series(names).map(pd.Series(names).value_counts()).to_numpy(dtype=float)
    return 0.5 / len(names) + 0.5 / (sizes * len(np.unique(names)))


def _quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    centre = np.cumsum(weight[order]) - 0.5 * weight[order]
    return float(np.interp(share, centre, values[order]))
