"""Shapley values of a forecast, by design factor, for every member of a blend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from regencast.forecasting.unknown import open_factors
from regencast.models import (
    CensoredRidge,
    IntervalBoosting,
    IntervalForest,
    StudyProcess,
    fill_missing,
)
from regencast.models.residual import ResidualRegressor
from regencast.training import Forecaster

#: Training designs among which the sampling explainer walks, once forwards and once backwards.
WALKS = 24
#: The step from what a design says to the average over what it leaves open.
OPEN = "averaging what is open"


@dataclass(frozen=True)
class Attribution:
    """What each design factor adds to each forecast.

    Attributes
    ----------
    values : pandas.DataFrame, shape (n, n_factors)
        Shapley values in g; with ``base`` they sum to the forecast.
    base : ndarray, shape (n,)
        Forecast less the sum of the values.
    error : pandas.DataFrame, shape (n, n_factors)
        Standard error of each value: zero where every member is explained exactly.
    """

    values: pd.DataFrame
    base: np.ndarray
    error: pd.DataFrame


def factor_shapley(forecaster: Forecaster, designs: pd.DataFrame) -> Attribution:
    """Return what each design factor adds to each forecast.

    A factor's value is the sum of its columns' signed values. Trees by TreeSHAP (Lundberg and
    others 2020, Nat Mach Intell 2:56-67), linear members exactly, a Gaussian process by walks
    through the factors (Strumbelj and Kononenko 2014, Knowl Inf Syst 41:647-665); a blend's value
    is the weighted sum of its members'.

    Parameters
    ----------
    forecaster : Forecaster
    designs : pandas.DataFrame, n rows

    Returns
    -------
    Attribution
    """
    return encoded_shapley(forecaster, forecaster.blend.encoder.transform(designs), designs.index)


def encoded_shapley(
    forecaster: Forecaster, X: np.ndarray, index: pd.Index | None = None
) -> Attribution:
    """Return `factor_shapley` of designs that are encoded already."""
    blend = forecaster.blend
    names = [feature.factor for feature in blend.encoder.features_]
    factors = list(dict.fromkeys(names))
    belongs = np.array([[name == factor for factor in factors] for name in names], dtype=float)
    values, variance = np.zeros((len(X), len(factors))), np.zeros((len(X), len(factors)))
    if blend.baseline.group_columns:
        # A group's own baseline (its tissue's) is that factor's doing.
        place = factors.index(names[blend.baseline.group_columns[0]])
        values[:, place] = blend.baseline.predict(X) - blend.baseline.mean_
    for weight, member in zip(blend.weights, blend.members, strict=True):
        if not member.learned_:
            continue
        if isinstance(member, StudyProcess):
            part, error = _sampled(member, X, belongs)
            variance += (weight * error) ** 2
        else:
            part = _exact(member, X) @ belongs
        values += weight * part
    return Attribution(
        pd.DataFrame(values, index, factors),
        blend.predict_encoded(X) - values.sum(axis=1),
        pd.DataFrame(np.sqrt(variance), index, factors),
    )


def stated_shapley(
    forecaster: Forecaster, designs: pd.DataFrame, predicted: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return what each factor that a design states adds to its averaged forecast.

    Parameters
    ----------
    forecaster : Forecaster
    designs : pandas.DataFrame, n rows
        Typed.
    predicted : ndarray, shape (n,)
        As `average_unknown` gives it.

    Returns
    -------
    values : pandas.DataFrame, shape (n, n_factors + 1)
        As in `Attribution`, NaN where a factor is open; ``averaging what is open`` is all that
        the open factors make together. With ``base`` they sum to ``predicted``.
    base : ndarray, shape (n,)
    """
    found = factor_shapley(forecaster, designs)
    values = found.values.mask(open_factors(forecaster, designs))
    step = predicted - found.base - values.sum(axis=1)
    # Nothing but the last digits where a design leaves nothing open.
    return values.assign(**{OPEN: step.where(step.abs() > 1e-9)}), found.base


def _exact(member: ResidualRegressor, X: np.ndarray) -> np.ndarray:
    if isinstance(member, CensoredRidge | IntervalBoosting):
        return member.parts(X)
    assert isinstance(member, IntervalForest)  # noqa: S101
    from shap import TreeExplainer

    explainer = TreeExplainer(member.forest_)
    return np.asarray(explainer.shap_values(fill_missing(X), check_additivity=False))


def _sampled(
    member: StudyProcess, X: np.ndarray, belongs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return Shapley values by factor and their standard errors from a fixed set of walks."""
    picked = np.linspace(0, len(member.places_) - 1, min(WALKS, len(member.places_)))
    background = member.places_[picked.astype(int)]
    columns = np.vstack([belongs, belongs]).astype(bool)
    rng = np.random.default_rng(0)
    pairs = []
    for start in background:
        order = rng.permutation(belongs.shape[1])
        there, back = (
            _walk(member.at_places, member.place(X), start, columns, path)
            for path in (order, order[::-1])
        )
        pairs.append((there + back) / 2)
    walks = np.stack(pairs)
    spread = walks.std(axis=0, ddof=1) if len(walks) > 1 else np.zeros(walks.shape[1:])
    return walks.mean(axis=0), spread / np.sqrt(len(walks))


def _walk(
    predict: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
    start: np.ndarray,
    columns: np.ndarray,
    order: np.ndarray,
) -> np.ndarray:
    """Return each factor's step as a design changes from ``start`` to ``target`` in an order."""
    here = np.repeat(start[None, :], len(target), axis=0)
    steps = np.zeros((len(target), columns.shape[1]))
    before = predict(here)
    for factor in order:
        here[:, columns[:, factor]] = target[:, columns[:, factor]]
        after = predict(here)
        steps[:, factor] = after - before
        before = after
    return steps
