"""The one thing that is saved and loaded: encoder, estimators, calibration, support."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, Schema
from regencast.effects import Effects
from regencast.training.blend import (
    Blend,
    HeldOut,
    choose_weights,
    compare_candidates,
    fit_blend,
    hold_out,
)
from regencast.training.calibration import Calibration, calibrate
from regencast.training.enough import require_teachable
from regencast.training.experiment import Experiment
from regencast.training.order import contrast_order
from regencast.training.published import Published, learn_published
from regencast.training.ranges import Ranges, learn_ranges
from regencast.training.support import Support, learn_support

#: A design with an unknown level is taken to lie at this multiple of where support ends.
FAR = 1.5


@dataclass(frozen=True)
class Forecaster:
    """A trained model with all that a forecast needs.

    Attributes
    ----------
    blend : Blend
    calibration : Calibration
    support : Support
    digest : str
        Of the corpus that it learned from.
    names : tuple of str
        Of the candidates among which it was chosen.
    verdict : str
        What held-out studies say of it, in one sentence; empty before that is known.
    synonyms : dict
        Other spellings of levels, by column, as the corpus gives them.
    """

    blend: Blend
    calibration: Calibration
    support: Support
    digest: str
    names: tuple[str, ...]
    verdict: str = ""
    synonyms: dict[str, dict[str, str]] = field(default_factory=dict)

    def forecast(
        self,
        designs: pd.DataFrame,
        beyond: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        predicted: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Forecast designs that carry the columns of the schema.

        Parameters
        ----------
        designs : pandas.DataFrame, n rows
        beyond : ndarray of bool, shape (n,), optional
            Designs that lie beyond support whatever their distance.
        distance : ndarray, shape (n,), optional
            From the nearest studies; by default that of the designs as they are encoded.
        predicted : ndarray, shape (n,), optional
            Forecasts about which intervals are laid; by default those of the blend.

        Returns
        -------
        pandas.DataFrame
            ``baseline``, ``predicted``, ``low90``, ``high90`` (90 % interval of the observed
            effect of a new study), ``true_sd`` (standard deviation of its true effect), all in g;
            ``remoteness`` (1 at the border of sparse support) and ``support``.
        """
        sampling = planned_variance(designs, self.blend.encoder.schema)
        X = self.blend.encoder.transform(designs)
        found = self.forecast_encoded(X, sampling, beyond, distance, predicted)
        return found.set_index(designs.index)

    def forecast_encoded(
        self,
        X: np.ndarray,
        sampling: np.ndarray | None = None,
        beyond: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        predicted: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Forecast designs that are encoded already; see `forecast`.

        Parameters
        ----------
        X : ndarray, shape (n, n_features)
        sampling : ndarray, shape (n,), optional
            Sampling variance of g = 0 at the planned group sizes; where NaN, the corpus's usual.
        beyond : ndarray of bool, shape (n,), optional
        distance : ndarray, shape (n,), optional
        predicted : ndarray, shape (n,), optional
        """
        if predicted is None:
            predicted = self.blend.predict_encoded(X)
        baseline = self.blend.baseline.predict(X)
        usual = self.calibration.sampling
        given = np.full(len(X), np.nan) if sampling is None else sampling
        variance = np.where(np.isfinite(given), given, usual)
        if distance is None:
            distance = self.support.remoteness(X)
        far = self.ranges.beyond(X).any(axis=1) | (False if beyond is None else beyond)
        least = FAR * max(self.support.borders[1], self.support.unit)
        distance = np.where(far, np.maximum(distance, least), distance)
        remoteness = distance / self.support.unit
        true_sd = self.calibration.true_sd(predicted - baseline, remoteness)
        low, high = self.calibration.interval(predicted, true_sd, variance)
        return pd.DataFrame(
            {
                "baseline": baseline,
                "predicted": predicted,
                "low90": low,
                "high90": high,
                "true_sd": true_sd,
                "remoteness": remoteness,
                "support": self.support.classify(distance),
            }
        )

    @cached_property
    def ranges(self) -> Ranges:
        """What the studies cover of every number."""
        return learn_ranges(self.blend.encoder, self.support.designs)

    @cached_property
    def published(self) -> dict[str, Published]:
        """What the studies have of every factor that any of them reports."""
        return learn_published(self.blend.encoder, self.support.designs, self.blend.predict_encoded)


def planned_variance(designs: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Return 1/n1 + 1/n2 of the planned groups, NaN where not given."""
    parts = []
    for role in ("n_treated", "n_control"):
        name = schema.column(role)
        values = designs[name] if name in designs else pd.Series(np.nan, index=designs.index)
        parts.append(1 / pd.to_numeric(values, errors="coerce").to_numpy(dtype=float))
    return parts[0] + parts[1]


def fit_forecaster(
    corpus: Corpus, effects: Effects, experiment: Experiment
) -> tuple[Forecaster, pd.DataFrame]:
    """Choose among the candidates inside the corpus and fit the choice.

    Returns
    -------
    forecaster : Forecaster
    candidates : pandas.DataFrame
        What each candidate did on the inner folds, as `compare_candidates` gives it.
    """
    require_teachable(corpus, effects, experiment)
    order = contrast_order(corpus)
    corpus, effects = corpus.take(order), effects.take(order)
    held = hold_out(corpus, effects, experiment)
    weights = choose_weights(held, effects, corpus.studies)
    blend = fit_blend(corpus, effects, experiment, weights)
    rows = np.flatnonzero(effects.informative)
    X = blend.encoder.transform(corpus.frame.iloc[rows])
    factors = [feature.factor for feature in blend.encoder.features_]
    support = learn_support(X, factors, blend.predict_encoded, corpus.studies[rows])
    remoteness = np.full(len(corpus), np.nan)
    remoteness[rows] = support.remoteness(X, corpus.studies[rows].astype(str)) / support.unit
    calibration = _calibrate(corpus, effects, held, weights, blend, support, remoteness)
    names = tuple(candidate.name for candidate in experiment.candidates)
    forecaster = Forecaster(
        blend, calibration, support, corpus.digest, names, synonyms=corpus.synonyms
    )
    return forecaster, compare_candidates(held, effects, names, weights)


def _calibrate(
    corpus: Corpus,
    effects: Effects,
    held: HeldOut,
    weights: np.ndarray,
    blend: Blend,
    support: Support,
    remoteness: np.ndarray,
) -> Calibration:
    forecast = held.baseline + (held.candidates - held.baseline[:, None]) @ weights
    sampling = planned_variance(corpus.frame, corpus.schema)
    usual = np.nanmedian(np.append(sampling, [1 / 3]))
    sampling = np.where(np.isfinite(sampling), sampling, usual)
    edge = max(support.borders[1] / support.unit, 1.0)
    return calibrate(
        forecast,
        held.baseline,
        np.minimum(remoteness, 10.0)[held.rows],
        effects.take(held.rows),
        corpus.studies[held.rows],
        sampling[held.rows],
        blend.baseline.tau2_,
        edge,
    )
