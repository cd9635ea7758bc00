"""Levels that a design joins and no study ever joined: their sum is arithmetic, not evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from regencast.training import Forecaster

#: Studies that chance should have brought a pair, for its absence to be worth a word: were the two
#: levels independent, none would be found where three are expected in 5 % of cases (Poisson).
EXPECTED = 3.0
#: Pairs that are named of one design, the most surprising first.
NAMED = 3


@dataclass(frozen=True)
class _Unmet:
    """Pairs of encoded columns, and the words for each; most surprising first."""

    first: np.ndarray
    second: np.ndarray
    words: tuple[str, ...]


def never_together(forecaster: Forecaster, X: np.ndarray) -> list[str]:
    """Name the pairs of levels of each design that studies should have joined, and never did.

    Two levels a and b of different columns are to be expected together in n_a n_b / N of N studies.
    Where that is three or more and no contrast has both, the corpus knows each alone: what it says
    of the two together is their sum. Held-out contrasts with such a pair are forecast no worse than
    others, so that the interval is not widened; yet a reader should know, for a level that was
    only ever tried against one comparator carries that comparator's effect.

    Parameters
    ----------
    forecaster : Forecaster
    X : ndarray, shape (n, n_features)
        Encoded designs.

    Returns
    -------
    list of str, n texts
        Empty where there is no such pair.
    """
    unmet = _unmet_pairs(forecaster)
    joined = (X[:, unmet.first] > 0) & (X[:, unmet.second] > 0)
    return ["; ".join(unmet.words[k] for k in np.flatnonzero(row)[:NAMED]) for row in joined]


def _unmet_pairs(forecaster: Forecaster) -> _Unmet:
    features = forecaster.blend.encoder.features_
    told = np.flatnonzero([feature.one_level for feature in features])
    has = (forecaster.support.designs[:, told] > 0).astype(np.float32)
    studies = pd.DataFrame(has).groupby(forecaster.support.studies).max()
    count = studies.to_numpy(dtype=float).sum(axis=0)
    expected = np.outer(count, count) / len(studies)
    column = np.array([features[j].column for j in told])
    never = (expected >= EXPECTED) & (has.T @ has == 0) & (column[:, None] != column[None])
    first, second = np.nonzero(np.triu(never))
    order = np.argsort(-expected[first, second], kind="stable")
    pairs = [(features[told[first[k]]], features[told[second[k]]]) for k in order]
    words = tuple(f"{a.column} {a.level} with {b.column} {b.level}" for a, b in pairs)
    return _Unmet(told[first[order]], told[second[order]], words)
