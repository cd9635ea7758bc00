"""The range that studies cover of every number; beyond it a forecast has no ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regencast.designs import DesignEncoder

#: A number lies beyond the studies where it exceeds their largest by this factor, or falls below
#: their smallest by it.
FACTOR = 1.5


@dataclass(frozen=True)
class Ranges:
    """Least and largest value of every encoded number among the studies.

    Attributes
    ----------
    columns : ndarray of int, shape (k,)
        Places of the numbers among the encoded features.
    logarithmic : ndarray of bool, shape (k,)
        Numbers that are encoded as log10.
    low, high : ndarray, shape (k,)
        On the encoded scale; infinite, and the wrong way round, where no study has the number.
    """

    columns: np.ndarray
    logarithmic: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def beyond(self, X: np.ndarray) -> np.ndarray:
        """Return which numbers of encoded designs no study comes near, shape (n, k)."""
        step = np.log10(FACTOR)
        low, high = self.low, self.high
        least = np.where(self.logarithmic, low - step, np.minimum(low / FACTOR, low * FACTOR))
        most = np.where(self.logarithmic, high + step, np.maximum(high / FACTOR, high * FACTOR))
        values = X[:, self.columns]
        with np.errstate(invalid="ignore"):
            return np.asarray((values < least) | (values > most))


def learn_ranges(encoder: DesignEncoder, designs: np.ndarray) -> Ranges:
    """Return the ranges of the numbers of encoded designs, shape (n, n_features)."""
    features = encoder.features_
    kept = [j for j, feature in enumerate(features) if encoder.has_range(feature)]
    columns = np.array(kept, dtype=int)
    logarithmic = np.array([features[j].kind != "number" for j in kept], dtype=bool)
    values = designs[:, columns]
    low = np.where(np.isnan(values), np.inf, values).min(axis=0, initial=np.inf)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0, initial=-np.inf)
    return Ranges(columns, logarithmic, low, high)
