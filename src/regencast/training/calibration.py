"""Intervals for the observed effect of a new study, calibrated over held-out studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from regencast.effects import Effects

LEVEL = 0.90
Z = float(norm.ppf(0.5 + LEVEL / 2))
#: A two-sided 90 % conformal interval needs 19 studies; with fewer it is a normal interval.
MIN_STUDIES = 19
#: From here on each 5 % tail holds four studies and gets a quantile of its own; with fewer, one odd
#: study would set an end alone, so both ends share the quantile of the absolute residual.
TAIL_STUDIES = 80


@dataclass(frozen=True)
class Calibration:
    """How far an observed effect lies from its forecast.

    The spread between studies is ``tau2 exp(growth step + reach (remoteness - 1))`` with step the
    forecast's distance above the baseline and remoteness the distance from the training studies in
    units of the border of `sparse` support.

    Attributes
    ----------
    tau2 : float
        Spread that group sizes do not explain, at the baseline and at the border of support.
    growth, reach : float
        What the log of it gains per step of one g and per unit of remoteness; reach is not
        negative: no forecast is surer far from the studies.
    low, high : float
        Held-out 5 % and 95 % quantiles of the standardised residual, or minus and plus the 90 %
        quantile of its absolute value where studies are few.
    n_studies : int
        Held-out studies with a measured effect.
    sampling : float
        Sampling variance of g = 0 for a group size of the corpus.
    edge : float
        Remoteness at which support ends; beyond it the spread grows with its square.
    """

    tau2: float
    growth: float
    reach: float
    low: float
    high: float
    n_studies: int
    sampling: float
    edge: float

    @property
    def conformal(self) -> bool:
        """Whether the quantiles are held-out ones rather than the normal's."""
        return self.n_studies >= MIN_STUDIES

    def true_sd(self, step: np.ndarray, remoteness: np.ndarray) -> np.ndarray:
        """Return the standard deviation of a new study's true effect about its forecast, in g.

        Parameters
        ----------
        step : ndarray, shape (n,)
            Forecast minus baseline, in g.
        remoteness : ndarray, shape (n,)
            In units of the border of sparse support.
        """
        beyond = np.maximum(remoteness / self.edge, 1.0) ** 2
        return np.sqrt(
            beyond * _spread(np.log(self.tau2), self.growth, self.reach, step, remoteness)
        )

    def interval(
        self, forecast: np.ndarray, true_sd: np.ndarray, sampling: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the 90 % interval of an observed effect.

        Parameters
        ----------
        forecast, true_sd : ndarray, shape (n,)
            In g.
        sampling : ndarray, shape (n,)
            Sampling variance of g = 0 at the planned group sizes.
        """
        sd = np.sqrt(true_sd**2 + sampling)
        return forecast + self.low * sd, forecast + self.high * sd


def calibrate(
    forecast: np.ndarray,
    baseline: np.ndarray,
    remoteness: np.ndarray,
    effects: Effects,
    studies: np.ndarray,
    sampling: np.ndarray,
    tau2: float,
    edge: float,
) -> Calibration:
    """Learn the intervals from held-out forecasts.

    Parameters
    ----------
    forecast, baseline : ndarray, shape (n,)
        Held-out forecasts, in g.
    remoteness : ndarray, shape (n,)
        Of each design from the other studies, in units of the border of sparse support.
    effects : Effects
        Of the same rows.
    studies : ndarray, shape (n,)
    sampling : ndarray, shape (n,)
        As in `Calibration.interval`; no NaN.
    tau2 : float
        Used where too few rows are measured.
    edge : float
        Remoteness at which support ends.

    Returns
    -------
    Calibration
    """
    rows = effects.measured
    usual = float(np.median(sampling))
    names = studies[rows].astype(str)
    n_studies = len(np.unique(names))
    if n_studies < MIN_STUDIES:
        return Calibration(max(tau2, 1e-6), 0.0, 0.0, -Z, Z, n_studies, usual, edge)
    residual = effects.point[rows] - forecast[rows]
    step, far = (forecast - baseline)[rows], remoteness[rows]
    weight = _fair_weights(names)

    def deviation(theta: np.ndarray) -> np.ndarray:
        return np.sqrt(_spread(theta[0], theta[1], abs(theta[2]), step, far) + sampling[rows])

    def loss(theta: np.ndarray) -> float:
        sd = deviation(theta)
        fit = np.sum(weight * (0.5 * (residual / sd) ** 2 + np.log(sd)))
        # Normal priors: a spread that quadruples per g, or per unit of remoteness, is unlikely.
        return float(fit * len(residual) + 0.5 * np.sum((theta[1:] / 0.5) ** 2))

    start = np.array([np.log(max(tau2, 1e-3)), 0.0, 0.1])
    options = {"xatol": 1e-4, "fatol": 1e-6, "maxiter": 2000}
    log_tau2, growth, reach = minimize(loss, start, method="Nelder-Mead", options=options).x
    z = residual / deviation(np.array([log_tau2, growth, reach]))
    if n_studies >= TAIL_STUDIES:
        tail = (1 - LEVEL) / 2
        low, high = (_quantile(z, weight, share, n_studies) for share in (tail, 1 - tail))
    else:
        high = _quantile(np.abs(z), weight, LEVEL, n_studies)
        low = -high
    return Calibration(
        float(np.exp(log_tau2)),
        float(growth),
        float(abs(reach)),
        low,
        high,
        n_studies,
        usual,
        edge,
    )


def _spread(
    log_tau2: float, growth: float, reach: float, step: np.ndarray, remoteness: np.ndarray
) -> np.ndarray:
    power = log_tau2 + growth * step + reach * (np.minimum(remoteness, 3.0) - 1.0)
    return np.exp(np.clip(power, -12, 8))


def _fair_weights(names: np.ndarray) -> np.ndarray:
    """Return weights that count half by row and half by study: coverage is asked of both."""
    sizes = pd.Series(names).map(pd.Series(names).value_counts()).to_numpy(dtype=float)
    return 0.5 / len(names) + 0.5 / (sizes * len(np.unique(names)))


def _quantile(values: np.ndarray, weight: np.ndarray, share: float, n_studies: int) -> float:
    """Return the weighted quantile at which a new study is expected to be covered.

    The i-th of K ordered values covers i / (K + 1) of new ones on average (Weibull 1939), which
    widens the interval where there are few studies.
    """
    order = np.argsort(values)
    middle = np.cumsum(weight[order]) - 0.5 * weight[order]
    position = (middle * n_studies + 0.5) / (n_studies + 1)
    return float(np.interp(share, position, values[order]))
