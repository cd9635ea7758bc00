"""What every candidate shares: it starts from the baseline and learns what that leaves."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from regencast.models.baseline import RandomEffectsMean, checked_targets, checked_weights
from regencast.models.likelihood import Floats, Targets

#: With fewer rows nothing can be learned beyond the baseline.
MIN_ROWS = 20


class ResidualRegressor(RegressorMixin, BaseEstimator):
    """A candidate: ``predict`` is the baseline plus what `_learn` finds in the designs.

    Attributes
    ----------
    baseline_ : RandomEffectsMean
        The fitted baseline.
    learned_ : bool
        False where there were too few rows to learn from: the forecast is the baseline's.
    """

    baseline: RandomEffectsMean | None
    use_intervals: bool

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        fitted: RandomEffectsMean | None = None,
    ) -> ResidualRegressor:
        """Fit the baseline, then what it leaves.

        Parameters
        ----------
        X : array_like, shape (n, p)
            Encoded designs; NaN where a number is not reported.
        y : array_like, shape (n,), (n, 2) or (n, 3)
            Points; bounds; or bounds and sampling variance, in g. See `as_targets`.
        sample_weight : array_like, shape (n,), optional
            In rows: a row of weight two counts as two.
        groups : array_like, shape (n,), optional
            The study of each row; without it every row is a study of its own.
        fitted : RandomEffectsMean, optional
            The candidate's baseline where it was fitted to these rows before, as when several
            candidates start from one.

        Returns
        -------
        ResidualRegressor
            Itself.
        """
        matrix: np.ndarray = validate_data(self, X, ensure_all_finite="allow-nan", dtype=float)
        targets = checked_targets(y, len(matrix))
        weight = checked_weights(sample_weight, len(matrix))
        studies = np.arange(len(matrix)) if groups is None else np.asarray(groups).astype(str)
        if len(studies) != len(matrix):
            raise ValueError(f"X has {len(matrix)} rows, groups {len(studies)}")
        if len(matrix) < 2:
            raise ValueError("n_samples=1: at least 2 samples are needed")
        self.baseline_ = fitted or clone(self.baseline or RandomEffectsMean()).fit(
            matrix, np.column_stack(targets), weight
        )
        start = self.baseline_.predict(matrix)
        # Rows without a number still place the baseline where a candidate leaves them out.
        rows = np.full(len(matrix), True) if self.use_intervals else targets.points
        self.learned_ = bool(weight[rows].sum() >= MIN_ROWS)
        if self.learned_:
            kept = Targets(*(values[rows] for values in targets))
            self._learn(matrix[rows], kept, weight[rows], start[rows], studies[rows])
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the forecast effect.

        Parameters
        ----------
        X : array_like, shape (n, p)

        Returns
        -------
        ndarray, shape (n,)
            In g.
        """
        check_is_fitted(self)
        matrix: np.ndarray = validate_data(
            self, X, ensure_all_finite="allow-nan", dtype=float, reset=False
        )
        start = self.baseline_.predict(matrix)
        return start + self._residual(matrix) if self.learned_ else start

    @abstractmethod
    def _learn(
        self,
        X: np.ndarray,
        targets: Targets,
        weight: Floats,
        start: Floats,
        studies: np.ndarray,
    ) -> None:
        """Learn from the residuals about ``start``, the baseline's forecast."""

    @abstractmethod
    def _residual(self, X: np.ndarray) -> Floats:
        """Return what is to be added to the baseline."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.regressor_tags.poor_score = True
        return tags
