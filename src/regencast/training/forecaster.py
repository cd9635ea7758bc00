"""The one thing that is saved and loaded: encoder, estimators, calibration, support."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.effects import Effects
from regencast.training.blend import Blend, choose_weights, fit_blend, hold_out
from regencast.training.calibration import Calibration, calibrate
from regencast.training.experiment import Experiment
from regencast.training.support import Support, learn_support


@dataclass(frozen=True)
class Forecaster:
    """A trained model with all that a forecast needs."""

    blend: Blend
    calibration: Calibration
    support: Support
    digest: str
    names: tuple[str, ...]

    def forecast(self, designs: pd.DataFrame) -> pd.DataFrame:
        """Forecast designs that carry the columns of the schema.

        Returns
        -------
        pandas.DataFrame
            ``baseline``, ``predicted``, ``low90``, ``high90`` in g.
        """
        X = self.blend.encoder.transform(designs)
        predicted, baseline = self.blend.predict_encoded(X), self.blend.baseline.predict(X)
        sampling = planned_variance(designs, self.blend.encoder.schema)
        low, high = self.calibration.interval(predicted, baseline, sampling)
        return pd.DataFrame(
            {"baseline": baseline, "predicted": predicted, "low90": low, "high90": high}
        )


def planned_variance(designs: pd.DataFrame, schema) -> np.ndarray:
    """Return 1/n1 + 1/n2 of the planned groups, NaN where not given."""
    parts = []
    for role in ("n_treated", "n_control"):
        name = schema.column(role)
        values = designs[name] if name in designs else pd.Series(np.nan, index=designs.index)
        parts.append(1 / pd.to_numeric(values, errors="coerce").to_numpy(dtype=float))
    return parts[0] + parts[1]


def fit_forecaster(
    corpus: Corpus, effects: Effects, experiment: Experiment
) -> tuple[Forecaster, np.ndarray]:
    """Choose among the candidates inside the corpus and fit the choice.

    Returns
    -------
    forecaster : Forecaster
    weights : ndarray, shape (n_candidates,)
    """
    held = hold_out(corpus, effects, experiment)
    weights = choose_weights(held, effects, corpus.studies)
    blend = fit_blend(corpus, effects, experiment, weights)
    forecast = held.baseline + (held.candidates - held.baseline[:, None]) @ weights
    sampling = planned_variance(corpus.frame, corpus.schema)
    sampling = np.where(np.isfinite(sampling), sampling, np.nanmedian(np.append(sampling, [1 / 3])))
    calibration = calibrate(
        forecast,
        held.baseline,
        effects.take(held.rows),
        corpus.studies[held.rows],
        sampling[held.rows],
        blend.baseline.tau2_,
    )
    rows = np.flatnonzero(effects.informative)
    X = blend.encoder.transform(corpus.frame.iloc[rows])
    factors = [feature.factor for feature in blend.encoder.features_]
    support = learn_support(X, factors, blend.predict_encoded, corpus.studies[rows])
    names = tuple(candidate.name for candidate in experiment.candidates)
    return Forecaster(blend, calibration, support, corpus.digest, names), weights
