"""How near a design lies to the studies that the model learned from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

CLASSES = ("supported", "sparse", "extrapolating")
#: Share of the training studies, each measured without itself, inside the two borders.
SHARES = (0.80, 0.975)
#: Distance is the mean over this many nearest studies: one odd twin is no support.
NEAREST = 3
#: Designs whose distances to all training designs are held in memory at a time.
BLOCK = 2048


@dataclass(frozen=True)
class _Training:
    """The training designs in the order of their studies, made ready for many distances.

    ``numbers`` are the different rows among the columns that are not yes or no, ``which`` tells for
    each design its row there.
    """

    names: np.ndarray
    starts: np.ndarray
    yes_no: np.ndarray
    yes: np.ndarray
    points: np.ndarray
    numbers: np.ndarray
    which: np.ndarray


@dataclass(frozen=True)
class Support:
    """Training designs in a space where each factor counts by what it moves.

    Attributes
    ----------
    points : ndarray, shape (n, 2 n_features)
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

    @cached_property
    def designs(self) -> np.ndarray:
        """The training designs as they were encoded, shape (n, n_features); NaN where missing."""
        width = len(self.scale)
        values = self.points[:, :width] / self.scale
        # A yes is exactly one again: levels are told by it.
        near = np.round(values)
        values = np.where(np.abs(values - near) < 1e-9, near, values)
        return np.where(self.points[:, width:] > 0, np.nan, values)

    @property
    def unit(self) -> float:
        """The border of sparse support, by which remoteness is measured; never zero."""
        return next((border for border in self.borders if border > 0), 1.0)

    def places(self, X: np.ndarray) -> np.ndarray:
        """Return encoded designs in the space of ``points``, shape (n, 2 n_features)."""
        return _place(X, self.scale, self.centre)

    def stating(self, columns: np.ndarray) -> Support:
        """Return the same studies in a space of some features alone: of what a design states.

        Parameters
        ----------
        columns : ndarray of bool, shape (n_features,)
        """
        key = columns.tobytes()
        if key not in self._stating:
            wide = np.concatenate([columns, columns])
            points, scale = np.where(wide, self.points, 0.0), np.where(columns, self.scale, 0.0)
            self._stating[key] = replace(self, points=points, scale=scale)
        return self._stating[key]

    @cached_property
    def _stating(self) -> dict[bytes, Support]:
        return {}

    def distances(
        self, X: np.ndarray, stated: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance of each design to each study, and the studies' names.

        Parameters
        ----------
        X : ndarray, shape (n, n_features)
        stated : ndarray of bool, shape (n, n_features), optional
            The features that count; by default all.

        Returns
        -------
        distances : ndarray, shape (n, n_studies)
        names : ndarray of str, shape (n_studies,)
        """
        if stated is not None and not stated.all():
            apart = np.empty((len(X), len(self._training.names)))
            patterns, which = np.unique(stated, axis=0, return_inverse=True)
            for k, columns in enumerate(patterns):
                rows = which.ravel() == k
                apart[rows] = self.stating(columns).distances(X[rows])[0]
            return apart, self._training.names
        return self._by_study(self._apart(X)), self._training.names

    @cached_property
    def _training(self) -> _Training:
        names, place = np.unique(self.studies, return_inverse=True)
        order = np.argsort(place, kind="stable")
        points = self.points[order]
        wide = np.concatenate([self.scale, self.scale])
        yes_no = ((points == 0) | (points == wide)).all(axis=0)
        yes = (points[:, yes_no] > 0).astype(np.float32)
        starts = np.searchsorted(place[order], np.arange(len(names)))
        numbers, which = np.unique(points[:, ~yes_no], axis=0, return_inverse=True)
        return _Training(names, starts, yes_no, yes, points, numbers, which.ravel())

    def _apart(self, X: np.ndarray) -> np.ndarray:
        """Return city-block distances to the training designs, most columns by a product.

        On a yes/no column |a - b| = a + b - 2 a b, so that all of them together are one matrix
        product, many times faster than going through the columns. The scales lie on a grid on
        which sums in single precision are exact, in whatever order the product adds.
        """
        training, places = self._training, self.places(X)
        wide = np.concatenate([self.scale, self.scale])
        yes_no = training.yes_no & ((places == 0) | (places == wide)).all(axis=0)
        # Columns that are no in every design, most marks of absence among them, part nothing.
        used = yes_no & ((places != 0).any(axis=0) | (training.points != 0).any(axis=0))
        mine = places[:, used].astype(np.float32)
        yes = training.yes[:, used[training.yes_no]]
        apart = mine @ (-2 * yes.T)
        apart += mine.sum(axis=1)[:, None]
        apart += yes @ wide[used].astype(np.float32)
        if training.numbers.size:
            # Most training designs share their numbers, which are seldom reported.
            gaps = cdist(places[:, ~training.yes_no], training.numbers, "cityblock")
            apart += np.take(gaps.astype(np.float32), training.which, axis=1)
        odd = training.yes_no & ~yes_no
        if odd.any():
            apart += cdist(places[:, odd], training.points[:, odd], "cityblock")
        return apart

    def remoteness(self, X: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Return the mean distance to the three nearest studies.

        Parameters
        ----------
        X : ndarray, shape (n, n_features)
        own : ndarray of str, shape (n,), optional
            A study that does not count, for designs that are training designs themselves.

        Returns
        -------
        ndarray, shape (n,)
        """
        found = np.empty(len(X))
        for start in range(0, len(X), BLOCK):
            part = slice(start, start + BLOCK)
            found[part] = self._nearest(X[part], None if own is None else own[part])
        return found

    def typical_remoteness(
        self, X: np.ndarray, left_open: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    ) -> np.ndarray:
        """Return the remoteness of designs that leave factors open: of the most telling one.

        Of each open factor, by itself, the median over its published values counts: nobody means
        "not reported", and a rare value makes no design remote that may as well have a common one.

        Parameters
        ----------
        X : ndarray, shape (n, n_features)
        left_open : list of tuple
            Of each open factor its columns, published values, shape (k, n_columns), and their
            shares.

        Returns
        -------
        ndarray, shape (n,)
        """
        width = len(self.scale)
        stated = np.ones(width, dtype=bool)
        stated[np.concatenate([columns for columns, _, _ in left_open])] = False
        apart = self.stating(stated)._apart(X)
        found = np.zeros(len(X))
        for columns, values, shares in left_open:
            alone = np.zeros(width, dtype=bool)
            alone[columns] = True
            filled = np.zeros((len(values), width))
            filled[:, columns] = values
            steps = self.stating(alone)._apart(filled)
            remote = np.array([self._mean_of_nearest(self._by_study(apart + s)) for s in steps])
            found = np.maximum(found, _weighted_median(remote, shares))
        return found

    def _nearest(self, X: np.ndarray, own: np.ndarray | None) -> np.ndarray:
        apart, names = self.distances(X)
        if own is not None:
            apart = np.where(names[None, :] == own[:, None], np.inf, apart)
        return self._mean_of_nearest(apart)

    def _by_study(self, apart: np.ndarray) -> np.ndarray:
        return np.minimum.reduceat(apart, self._training.starts, axis=1)

    @staticmethod
    def _mean_of_nearest(apart: np.ndarray) -> np.ndarray:
        near = np.partition(apart, min(NEAREST, apart.shape[1]) - 1, axis=1)[:, :NEAREST]
        near = near.astype(float)
        known = np.isfinite(near)
        total = np.where(known, near, 0.0).sum(axis=1)
        return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.inf)

    def classify(self, remoteness: np.ndarray) -> np.ndarray:
        """Return ``supported``, ``sparse`` or ``extrapolating`` for each remoteness."""
        return np.array(CLASSES, dtype=object)[np.searchsorted(self.borders, remoteness)]


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

    Returns
    -------
    Support
    """
    share = _factor_shares(X, factors, predict)
    present = ~np.isnan(X)
    centre = np.where(present, X, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    spread = np.where(present, np.abs(X - centre), 0.0).sum(axis=0)
    spread = 2 * spread / np.maximum(present.sum(axis=0), 1)
    # A number that is the same in all studies parts none of them: `Ranges` tells what is beyond it.
    parts = ~(X.max(axis=0) == X.min(axis=0))
    parts |= ~parts.any()
    names = np.array(factors)
    width = np.array([parts[names == name].sum() for name in factors])
    shares = np.array([share[name] for name in factors]) / np.maximum(width, 1)
    scale = _on_grid(np.where(parts, shares / np.maximum(spread, 0.1), 0.0))
    studies = studies.astype(str)
    support = Support(_place(X, scale, centre), studies, scale, centre, (0.0, 0.0))
    near = support.remoteness(X, studies)
    known = np.isfinite(near)
    if not known.any():
        return support
    _, place, size = np.unique(studies, return_inverse=True, return_counts=True)
    # Each study counts once: a large one is no larger part of what is known.
    share_of = (1 / size[place])[known]
    low, high = np.quantile(near[known], SHARES, weights=share_of, method="inverted_cdf")
    return Support(support.points, studies, scale, centre, (float(low), float(high)))


def _factor_shares(X: np.ndarray, factors: list[str], predict) -> dict[str, float]:
    """Return each factor's share in what the forecast depends on; they sum to one."""
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
    return {k: even + 0.9 * (v / total if total > 0 else 1 / len(moved)) for k, v in moved.items()}


def _weighted_median(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the median over the first axis, shape (n,), of values with shares that sum to one."""
    order = np.argsort(values, axis=0, kind="stable")
    half = np.cumsum(shares[order], axis=0) >= 0.5 - 1e-9
    return np.take_along_axis(values, order, axis=0)[
        half.argmax(axis=0), np.arange(values.shape[1])
    ]


def _on_grid(scale: np.ndarray) -> np.ndarray:
    """Return scales as multiples of a power of two, so that no sum of two designs is rounded."""
    grid = 2.0 ** (np.ceil(np.log2(2 * scale.sum())) - 24)
    return np.maximum(np.round(scale / grid), 1) * grid


def _place(X: np.ndarray, scale: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return scaled designs, with a mark beside each number for its absence."""
    missing = np.isnan(X)
    return np.hstack([np.where(missing, centre, X) * scale, missing * scale])
