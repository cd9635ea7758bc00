"""A Gaussian process over designs, with a random effect of the study."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from regencast.models.baseline import RandomEffectsMean
from regencast.models.likelihood import Floats, Targets
from regencast.models.residual import ResidualRegressor

#: Means and standard deviations of the normal priors of the logs of a, s and r (in units of tau2)
#: and of b: wide, so that they only keep the search finite.
PRIOR_MEAN = np.log([0.5, 0.5, 0.5, 0.15])
PRIOR_SD = np.array([1.5, 1.5, 1.5, 1.0])
#: Of more rows the cubic cost is not worth its share of a blend: studies are drawn by lot.
MAX_ROWS = 2000
#: A number further out than this, in standard deviations, is no further for being further.
FAR = 3.0


class StudyProcess(ResidualRegressor):
    """Gaussian process on what the baseline leaves, on measured rows.

    The covariance of two rows is ``a exp(-b d) + s [same study] + (r + v) [same row]`` with d the
    squared distance of their standardised designs. The hyperparameters maximise the marginal
    likelihood (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapter 5);
    the study's own effect is noise to a new study, and is left out of its forecast.

    Parameters
    ----------
    use_intervals : bool, default False
        Kept False: rows without a number do not take part.
    baseline : RandomEffectsMean, optional

    Attributes
    ----------
    amplitude_, study_, residual_ : float
        a, s and r, in g squared.
    decay_ : float
        b.
    """

    def __init__(
        self, use_intervals: bool = False, baseline: RandomEffectsMean | None = None
    ) -> None:
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
        kept = np.flatnonzero(weight > 0)
        kept = kept[_drawn(studies[kept])]
        residual = (targets.lower - start)[kept]
        noise = (targets.variance / np.maximum(weight, 1e-12))[kept]
        names = studies[kept]
        self._standardise(X[kept])
        self.places_ = self.place(X[kept])
        distance = cdist(self.places_, self.places_, "sqeuclidean")
        same = (names[:, None] == names[None, :]).astype(float)
        unit = max(self.baseline_.tau2_, 0.05 * float(noise.mean()), 1e-6)
        theta = _most_likely(distance, same, residual, noise, unit)
        self.amplitude_, self.study_, self.residual_ = (float(x) for x in unit * np.exp(theta[:3]))
        self.decay_ = float(np.exp(theta[3]))
        cover = _covariance(theta, distance, same, noise, unit)[0]
        self.dual_ = cho_solve((cholesky(cover, lower=True), True), residual)

    def _residual(self, X: np.ndarray) -> Floats:
        return self.at_places(self.place(X))

    def at_places(self, places: np.ndarray) -> Floats:
        """Return what is added to the baseline at standardised designs, as `place` gives them."""
        distance = cdist(places, self.places_, "sqeuclidean")
        return self.amplitude_ * np.exp(-self.decay_ * distance) @ self.dual_

    def _standardise(self, X: np.ndarray) -> None:
        present = ~np.isnan(X)
        count = np.maximum(present.sum(axis=0), 1)
        filled = np.where(present, X, 0.0)
        yes_no = np.isin(filled, (0.0, 1.0)).all(axis=0)
        centre = filled.sum(axis=0) / count
        spread = np.sqrt((np.where(present, X - centre, 0.0) ** 2).sum(axis=0) / count)
        self.centre_ = np.where(yes_no, 0.0, centre)
        # Two levels of a category differ in two columns, so each counts half.
        # A number that does not vary tells nothing, wherever a new design has it.
        self.scale_ = np.where(yes_no, np.sqrt(2.0), np.where(spread > 1e-12, spread, np.inf))

    def place(self, X: np.ndarray) -> Floats:
        """Return standardised numbers, then a mark for each absence, shape (n, 2 n_features)."""
        missing = np.isnan(X)
        values = (np.where(missing, self.centre_, X) - self.centre_) / self.scale_
        return np.hstack([np.clip(values, -FAR, FAR), missing])


def _drawn(studies: np.ndarray) -> np.ndarray:
    """Return the rows to learn from, in their order: all, or ``MAX_ROWS`` study by study by lot."""
    names, place = np.unique(studies, return_inverse=True)
    rng = np.random.default_rng(0)
    lot, within = rng.permutation(len(names))[place], rng.permutation(len(studies))
    return np.sort(np.lexsort((within, lot))[:MAX_ROWS])


def _covariance(
    theta: Floats, distance: Floats, same: Floats, noise: Floats, unit: float
) -> tuple[Floats, Floats]:
    """Return the covariance of the rows, and the part of it that designs share."""
    a, s, r, b = np.exp(theta)
    kernel = unit * a * np.exp(-b * distance)
    cover = kernel + unit * s * same
    cover[np.diag_indices_from(cover)] += unit * r + noise + 1e-9
    return cover, kernel


def _most_likely(
    distance: Floats, same: Floats, residual: Floats, noise: Floats, unit: float
) -> Floats:
    """Return the log hyperparameters of the highest posterior density."""

    def loss(theta: Floats) -> tuple[float, Floats]:
        cover, kernel = _covariance(theta, distance, same, noise, unit)
        lower = cholesky(cover, lower=True)
        inverse = cho_solve((lower, True), np.eye(len(residual)))
        dual = inverse @ residual
        odd = (theta - PRIOR_MEAN) / PRIOR_SD
        cost = 0.5 * residual @ dual + np.log(np.diag(lower)).sum() + 0.5 * np.sum(odd**2)
        # d(-log p)/d(theta) = tr((inverse - dual dual') dC/d(theta)) / 2.
        pull = inverse - np.outer(dual, dual)
        a_s = [np.sum(pull * kernel), unit * np.exp(theta[1]) * np.sum(pull * same)]
        r = unit * np.exp(theta[2]) * np.trace(pull)
        b = -np.exp(theta[3]) * np.sum(pull * kernel * distance)
        return float(cost), 0.5 * np.array([*a_s, r, b]) + odd / PRIOR_SD

    bounds = [(mean - 4.0, mean + 4.0) for mean in PRIOR_MEAN]
    options = {"maxiter": 40}
    best = minimize(loss, PRIOR_MEAN, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return best.x
