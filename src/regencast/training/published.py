"""The published values of each design factor, and few of them that stand for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regencast.designs import NOT_REPORTED, DesignEncoder
from regencast.designs.encoder import Feature

#: Decimals of a forecast by which values are ordered: noise of the last digit orders nothing.
DECIMALS = 6


@dataclass(frozen=True)
class Published:
    """The different values of one factor, ordered by the forecast that they give.

    Attributes
    ----------
    columns : ndarray of int, shape (n_columns,)
        Places of the factor among the encoded features.
    values : ndarray, shape (k, n_columns)
    counts : ndarray of int, shape (k,)
        Training designs that have each value.
    """

    columns: np.ndarray
    values: np.ndarray
    counts: np.ndarray

    def spread(self, count: int) -> np.ndarray:
        """Return values that stand for all, shape (count, n_columns), each for an equal share.

        Systematic sampling: from every of ``count`` equal parts of the ordered designs its middle.
        """
        ends = 2 * count * np.cumsum(self.counts)
        middles = (2 * np.arange(count) + 1) * self.counts.sum()
        return self.values[np.searchsorted(ends, middles)]

    def weighted(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return every value with its share, or where there are more, ``most`` that stand for all.

        Returns
        -------
        values : ndarray, shape (m, n_columns)
        shares : ndarray, shape (m,)
            They sum to one.
        """
        if len(self.values) <= most:
            return self.values, self.counts / self.counts.sum()
        return self.spread(most), np.full(most, 1 / most)


def learn_published(
    encoder: DesignEncoder, designs: np.ndarray, predict: Callable[[np.ndarray], np.ndarray]
) -> dict[str, Published]:
    """Return by factor what the training designs have of it; what none reports is left out.

    Parameters
    ----------
    encoder : DesignEncoder
    designs : ndarray, shape (n, n_features)
        Encoded.
    predict : callable
        From encoded designs to effects.
    """
    names = np.array([feature.factor for feature in encoder.features_])
    # Not a published design, but one whose columns are each as in most of them.
    usual = np.median(designs, axis=0)
    found = {}
    for factor in dict.fromkeys(names.tolist()):
        columns = np.flatnonzero(names == factor)
        reported = designs[_reported(designs[:, columns], [encoder.features_[j] for j in columns])]
        if not len(reported):
            continue
        values, counts = _distinct(reported[:, columns])
        varied = np.repeat(usual[None], len(values), axis=0)
        varied[:, columns] = values
        order = np.argsort(predict(varied).round(DECIMALS), kind="stable")
        found[factor] = Published(columns, values[order], counts[order])
    return found


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different rows and how often each stands, NaN equal to NaN."""
    # By their bytes: many times faster than `np.unique` by columns, to which no NaN is another.
    rows = np.ascontiguousarray(np.where(np.isnan(rows), np.nan, rows + 0.0))
    keys = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return rows[first], counts


def _reported(values: np.ndarray, features: list[Feature]) -> np.ndarray:
    """Return which designs report a factor: a level of its own, a number, of a dose the amount."""
    amount = np.array([feature.kind == "dose" for feature in features])
    number = amount if amount.any() else np.array([feature.level is None for feature in features])
    level = np.array([feature.kind in ("level", "label", "class") for feature in features])
    level &= np.array([feature.level != NOT_REPORTED for feature in features])
    return ((values > 0) & level | ~np.isnan(values) & number).any(axis=1)
