"""Which studies move the forecasts most when they are left out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.effects import Effects
from regencast.explaining.importance import Importance, refit
from regencast.training import Forecaster

#: Studies that are left out in earnest, after the resamples have pointed at them.
SHORTLIST = 12
MOST = 5
DESIGNS = 300


def influential_studies(
    forecaster: Forecaster, corpus: Corpus, effects: Effects, importance: Importance
) -> pd.DataFrame:
    """Return the five studies whose absence changes the corpus's forecasts most.

    The covariance of a study's random weight with the forecasts over the resamples points at the
    candidates (the infinitesimal jackknife: Efron 2014, J Am Stat Assoc 109:991-1007); these are
    then left out one by one and the members fitted anew.

    Returns
    -------
    pandas.DataFrame
        study, mean_change_g (mean absolute change of the forecasts), largest_change_g.
    """
    blend = forecaster.blend
    columns = ["study", "mean_change_g", "largest_change_g"]
    if not blend.members:
        return pd.DataFrame(columns=columns)
    known = np.flatnonzero(effects.informative)
    X = blend.encoder.transform(corpus.frame.iloc[known])
    targets = effects.take(known).targets()
    names, place = np.unique(corpus.studies[known].astype(str), return_inverse=True)
    judged = X[np.linspace(0, len(X) - 1, min(DESIGNS, len(X))).astype(int)]
    weights = importance.weights - importance.weights.mean(axis=0)
    forecasts = importance.forecasts - importance.forecasts.mean(axis=0)
    pull = np.abs(weights.T @ forecasts / len(weights)).mean(axis=1)
    whole = refit(forecaster, X, targets, None, place).predict_encoded(judged)
    rows = []
    for study in np.argsort(-pull, kind="stable")[:SHORTLIST]:
        left = place != study
        without = refit(forecaster, X[left], targets[left], None, place[left])
        change = np.abs(without.predict_encoded(judged) - whole)
        rows.append((names[study], float(change.mean()), float(change.max())))
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("mean_change_g", ascending=False, ignore_index=True)[:MOST]
