"""How near a design lies to the studies that the model learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

CLASSES = ("supported", "sparse", "extrapolating")
#: Share of the training designs, each measured without its own study, inside the two borders.
SHARES = (0.80, 0.975)
NEAREST = 3


@dataclass(frozen=True)
class Support:
    """Training designs in a space where each factor counts by what it moves.

    Attributes
    ----------
    points : ndarray, shape (n, p)
        Scaled training designs.
    studies : ndarray of str, shape (n,)
    scale, centre : ndarray, shape (n_features,)
    borders : tuple of float
        Distances at which support becomes sparse, and ends.
    """

    points: np.ndarray
    studies: np.ndarray
    scale: np.ndarray
    centre: np.ndarray
    borders: tuple[float, float]

    def distances(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance of each design to each study, and the studies' names."""
        return _by_study(
            cdist(_place(X, self.scale, self.centre), self.points, "cityblock"), self.studies
        )

    def classify(self, X: np.ndarray) -> tuple[np.ndarray, list[list[str]]]:
        """Return the class of each design, and its five nearest studies."""
        distance, names = self.distances(X)
        order = np.argsort(distance, axis=1, kind="stable")
        near = np.take_along_axis(distance, order[:, :NEAREST], axis=1).mean(axis=1)
        labels = np.array(CLASSES, dtype=object)[np.searchsorted(self.borders, near)]
        return labels, [[str(names[j]) for j in row[:5]] for row in order]


def learn_support(X: np.ndarray, factors: list[str], predict, studies: np.ndarray) -> Support:
    """Learn the space: a factor counts by how much the forecast moves when it is shuffled.

    Parameters
    ----------
    X : ndarray, shape (n, n_features)
    factors : list of str
        The factor of each feature.
    predict : callable
        From encoded designs to effects.
    studies : ndarray, shape (n,)
    """
    rng = np.random.default_rng(0)
    still = predict(X)
    names = np.array(factors)
    moved = {}
    for name in dict.fromkeys(factors):
        shuffled = X.copy()
        columns = names == name
        shuffled[:, columns] = X[rng.permutation(len(X))][:, columns]
        moved[name] = float(np.mean(np.abs(predict(shuffled) - still)))
    total = sum(moved.values())
    # A tenth is shared evenly, so that a factor the model ignores still counts as unknown ground.
    even = 0.1 / len(moved)
    share = {k: even + 0.9 * (v / total if total > 0 else 1 / len(moved)) for k, v in moved.items()}
    present = ~np.isnan(X)
    centre = np.where(present, X, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    spread = np.where(present, np.abs(X - centre), 0.0).sum(axis=0)
    spread = 2 * spread / np.maximum(present.sum(axis=0), 1)
    width = np.array([(names == name).sum() for name in factors])
    scale = np.array([share[name] for name in factors]) / width / np.maximum(spread, 0.1)
    points = _place(X, scale, centre)
    distance, order = _by_study(cdist(points, points, "cityblock"), studies.astype(str))
    own = order[None, :] == studies.astype(str)[:, None]
    rest = np.sort(np.where(own, np.inf, distance), axis=1)[:, :NEAREST]
    near = np.where(np.isfinite(rest), rest, np.nan)
    near = np.nanmean(near, axis=1) if len(order) > 1 else np.zeros(len(X))
    low, high = np.quantile(near, SHARES)
    return Support(points, studies.astype(str), scale, centre, (float(low), float(high)))


def _place(X: np.ndarray, scale: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return scaled designs, with a mark beside each number for its absence."""
    missing = np.isnan(X)
    return np.hstack([np.where(missing, centre, X) * scale, missing * scale])


def _by_study(distance: np.ndarray, studies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names, codes = np.unique(studies, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names)))
    return np.minimum.reduceat(distance[:, order], starts, axis=1), names
