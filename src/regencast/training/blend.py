"""Choosing among candidates inside the training studies, and shrinking to the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from regencast.corpus import Corpus
from regencast.designs import DesignEncoder
from regencast.effects import Effects
from regencast.models import RandomEffectsMean, log_likelihood
from regencast.models.residual import ResidualRegressor
from regencast.training.experiment import Experiment
from regencast.training.folds import study_folds

#: Below this number of studies the inner folds are repeated: one partition is too noisy.
SMALL = 100


@dataclass(frozen=True)
class HeldOut:
    """Forecasts of inner folds, each by models that never saw the study.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Row of the corpus; a row stands once per repeat.
    baseline : ndarray, shape (m,)
    tau2 : ndarray, shape (m,)
        Of the baseline in that fold.
    candidates : ndarray, shape (m, n_candidates)
    """

    rows: np.ndarray
    baseline: np.ndarray
    tau2: np.ndarray
    candidates: np.ndarray


@dataclass(frozen=True)
class Blend:
    """A weighted sum of candidates about the baseline: the fitted point forecast.

    Attributes
    ----------
    encoder : DesignEncoder
    baseline : RandomEffectsMean
    members : tuple of ResidualRegressor
    weights : ndarray, shape (n_members,)
        Not negative, sum at most one; what is left to one is the baseline's share.
    """

    encoder: DesignEncoder
    baseline: RandomEffectsMean
    members: tuple[ResidualRegressor, ...]
    weights: np.ndarray

    def predict(self, designs: pd.DataFrame) -> np.ndarray:
        """Return the forecast effect of each design, in g."""
        return self.predict_encoded(self.encoder.transform(designs))

    def predict_encoded(self, X: np.ndarray) -> np.ndarray:
        """Return the forecast effect of encoded designs, in g."""
        start = self.baseline.predict(X)
        forecast = start.copy()
        for weight, member in zip(self.weights, self.members, strict=True):
            forecast += weight * (member.predict(X) - start)
        return forecast


def hold_out(corpus: Corpus, effects: Effects, experiment: Experiment) -> HeldOut:
    """Forecast every contrast from models of the other inner folds."""
    known = np.flatnonzero(effects.informative)
    n_studies = len(np.unique(corpus.studies[known].astype(str)))
    repeats = 1 if n_studies >= SMALL else 3
    parts = []
    for repeat in range(repeats):
        seed = experiment.seed + repeat
        fold = study_folds(corpus.studies[known], experiment.inner_folds, seed)
        for one in np.unique(fold):
            train, test = known[fold != one], known[fold == one]
            X, y, encoder = _encoded(corpus, effects, train)
            new = encoder.transform(corpus.frame.iloc[test])
            base = RandomEffectsMean().fit(X, y)
            fitted = [c.build(experiment.seed).fit(X, y) for c in experiment.candidates]
            parts.append(
                (
                    test,
                    base.predict(new),
                    np.full(len(test), base.tau2_),
                    np.column_stack([member.predict(new) for member in fitted]),
                )
            )
    return HeldOut(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def choose_weights(held: HeldOut, effects: Effects, studies: np.ndarray) -> np.ndarray:
    """Return the candidates' weights that the held-out intervals support.

    The weights maximise the held-out log score of normal forecasts on the evidence's intervals,
    which is valid for points and intervals alike. They are then scaled by ``1 - (se / gain)^2``,
    where gain is the summed log score over the baseline's and se its standard error over studies:
    a gain that does not exceed its own noise gives the baseline back (positive-part James-Stein).

    Returns
    -------
    ndarray, shape (n_candidates,)
        Not negative, sum at most one.
    """
    lower, upper = effects.lower[held.rows], effects.upper[held.rows]
    sd = np.sqrt(held.tau2 + effects.variance[held.rows])
    steps = held.candidates - held.baseline[:, None]
    base = log_likelihood(held.baseline, sd, lower, upper)[0]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope, _ = log_likelihood(held.baseline + steps @ weights, sd, lower, upper)
        return float(-value.sum()), -(steps.T @ slope)

    count = steps.shape[1]
    best = minimize(
        loss,
        np.full(count, 0.5 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={
            "type": "ineq",
            "fun": lambda w: 1 - w.sum(),
            "jac": lambda w: -np.ones(count),
        },
        options={"maxiter": 300},
    )
    weights = np.clip(best.x, 0, 1)
    gain = log_likelihood(held.baseline + steps @ weights, sd, lower, upper)[0] - base
    return weights * trusted_share(gain, studies[held.rows])


def trusted_share(gain: np.ndarray, studies: np.ndarray) -> float:
    """Return the share of a gain that is not noise, from its spread over studies.

    Examples
    --------
    >>> trusted_share(np.array([-1.0, -2.0]), np.array(["a", "b"]))
    0.0
    """
    by_study = pd.Series(gain).groupby(studies.astype(str)).sum().to_numpy()
    total = by_study.sum()
    if total <= 0 or len(by_study) < 2:
        return 0.0
    noise = len(by_study) * by_study.var(ddof=1)
    return float(max(0.0, 1 - noise / total**2))


def fit_blend(
    corpus: Corpus, effects: Effects, experiment: Experiment, weights: Sequence[float] | np.ndarray
) -> Blend:
    """Fit the candidates that have a weight on all studies."""
    rows = np.flatnonzero(effects.informative)
    X, y, encoder = _encoded(corpus, effects, rows)
    weights = np.asarray(weights, dtype=float)
    used = np.flatnonzero(weights > 1e-3)
    members = tuple(experiment.candidates[k].build(experiment.seed).fit(X, y) for k in used)
    return Blend(encoder, RandomEffectsMean().fit(X, y), members, weights[used])


def _encoded(
    corpus: Corpus, effects: Effects, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, DesignEncoder]:
    frame = corpus.frame.iloc[rows]
    encoder = DesignEncoder(corpus.schema).fit(frame, corpus.studies[rows])
    return encoder.transform(frame), effects.take(rows).targets(), encoder
