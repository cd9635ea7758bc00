"""How much each design factor matters, how sure that is, and how much noise alone would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import clone

from regencast.corpus import Corpus
from regencast.effects import Effects, regeneration_score
from regencast.forecasting import encoded_shapley, factor_shapley
from regencast.forecasting.score import LEAST_PUSH
from regencast.models import IntervalForest
from regencast.models.residual import ResidualRegressor
from regencast.tasks import run_each
from regencast.training import Blend, Forecaster

RESAMPLES = 200
SHUFFLES = 20
#: Trees of a forest that is grown anew in each resample; its importance is settled well before.
TREES = 20
#: A member that carries less of the blend than this is left out of the resamples: half of the time
#: for a few hundredths of the forecast, about which the resamples are laid anyway.
LEAST_SHARE = 0.1
#: Designs on which a resample's importance is measured.
DESIGNS = 200
TOP = 5


@dataclass(frozen=True)
class Importance:
    """Importance by design factor.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per factor, most important first: factor, mean_abs_shap_g, low_g and high_g (90 %
        interval over resamples of studies), shuffled_g (the same model on shuffled effects),
        mean_abs_shap_points, rank, rank_low, rank_high, top5_share, beyond_noise.
    resampled : ndarray, shape (n_resamples, n_factors)
        In g, columns in the table's order.
    weights : ndarray, shape (n_resamples, n_studies)
        The weight of each study in each resample.
    forecasts : ndarray, shape (n_resamples, n_designs)
        Forecast of the judged designs in each resample, in g.
    values : pandas.DataFrame, shape (n_contrasts, n_factors)
        Shapley values of every contrast, in g, as `factor_shapley` gives them.
    """

    table: pd.DataFrame
    resampled: np.ndarray
    weights: np.ndarray
    forecasts: np.ndarray
    values: pd.DataFrame


def factor_importance(
    forecaster: Forecaster,
    corpus: Corpus,
    effects: Effects,
    resamples: int = RESAMPLES,
    jobs: int = 2,
    progress: Callable[[], None] = lambda: None,
    cluster: str | None = None,
) -> Importance:
    """Return each factor's mean absolute Shapley value with its interval.

    The members of the blend are fitted anew, with the weights that selection gave them, to studies
    weighted at random (Bayesian bootstrap: Rubin 1981, Ann Stat 9:130-134). What noise gives is
    measured by fitting the same members to effects dealt to other contrasts.

    Parameters
    ----------
    forecaster : Forecaster
    corpus : Corpus
        The one that it learned from.
    effects : Effects
    resamples : int, default 200
    jobs : int, default 2
        Processes; the numbers do not depend on it.
    progress : callable
        Called after each of ``resamples + 20`` fits.
    cluster : str, optional
        As in `run_each`.

    Returns
    -------
    Importance
    """
    blend = forecaster.blend
    known = np.flatnonzero(effects.informative)
    X = blend.encoder.transform(corpus.frame.iloc[known])
    targets = effects.take(known).targets()
    names, place = np.unique(corpus.studies[known].astype(str), return_inverse=True)
    judged = X[np.linspace(0, len(X) - 1, min(DESIGNS, len(X))).astype(int)]
    factors = list(dict.fromkeys(feature.factor for feature in blend.encoder.features_))
    drawn = np.random.default_rng(0).exponential(size=(resamples, len(names)))
    dealt = [np.random.default_rng(1 + k).permutation(len(X)) for k in range(SHUFFLES)]
    tasks = [
        *((targets, weight[place]) for weight in drawn),
        *((targets[order], None) for order in dealt),
    ]
    found = []
    for one in run_each(_refitted, (_main(forecaster), X, place, judged), tasks, jobs, cluster):
        found.append(one)
        progress()
    sizes = np.array([size for size, _ in found])
    forecasts = np.array([forecast for _, forecast in found[:resamples]])
    values = factor_shapley(forecaster, corpus.frame).values
    informed = values.iloc[known].to_numpy()
    table = _table(informed, blend.predict_encoded(X), factors, sizes, resamples)
    order = [factors.index(name) for name in table["factor"]]
    return Importance(table, sizes[:resamples][:, order], drawn, forecasts, values)


def _main(forecaster: Forecaster) -> Forecaster:
    """Return the forecaster with its main members alone, which carry what all did."""
    blend = forecaster.blend
    kept = np.flatnonzero(blend.weights >= LEAST_SHARE * blend.weights.sum())
    if not len(kept):
        return forecaster
    weights = blend.weights[kept] * (blend.weights.sum() / blend.weights[kept].sum())
    members = tuple(blend.members[place] for place in kept)
    return replace(forecaster, blend=replace(blend, members=members, weights=weights))


def refit(
    forecaster: Forecaster,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    studies: np.ndarray,
) -> Blend:
    """Return the forecaster's blend with its baseline and members fitted anew.

    Parameters
    ----------
    forecaster : Forecaster
    X : ndarray, shape (n, n_features)
    targets : ndarray, shape (n, 3)
        As `Effects.targets` gives them.
    weight : ndarray, shape (n,), or None
    studies : ndarray, shape (n,)
    """
    blend = forecaster.blend
    baseline = clone(blend.baseline).fit(X, targets, weight)
    members = []
    for member in blend.members:
        fresh: ResidualRegressor = clone(member)
        if isinstance(fresh, IntervalForest):
            fresh.set_params(n_estimators=min(TREES, fresh.n_estimators))
        members.append(fresh.fit(X, targets, weight, studies, baseline))
    return replace(blend, baseline=baseline, members=tuple(members))


def _refitted(
    forecaster: Forecaster,
    X: np.ndarray,
    studies: np.ndarray,
    judged: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean absolute Shapley values and forecasts of members fitted anew."""
    blend = refit(forecaster, X, targets, weight, studies)
    values = encoded_shapley(replace(forecaster, blend=blend), judged).values.to_numpy()
    return np.abs(values).mean(axis=0), blend.predict_encoded(judged)


def _table(
    values: np.ndarray,
    forecast: np.ndarray,
    factors: list[str],
    sizes: np.ndarray,
    resamples: int,
) -> pd.DataFrame:
    size = np.abs(values).mean(axis=0)
    without = regeneration_score(forecast[:, None] - values)
    points = np.abs(regeneration_score(forecast)[:, None] - without).mean(axis=0)
    resampled, shuffled = sizes[:resamples], sizes[resamples:]
    # Random weights add noise of their own, so each factor's resamples are laid about the size
    # that the model itself gives.
    low, middle, high = np.quantile(resampled, [0.05, 0.5, 0.95], axis=0)
    low, high = np.maximum(size + low - middle, 0.0), size + high - middle
    ranks = 1 + np.argsort(np.argsort(-resampled, axis=1), axis=1)
    rank_low, rank_high = np.quantile(ranks, [0.05, 0.95], axis=0, method="nearest")
    noise = shuffled.mean(axis=0)
    table = pd.DataFrame(
        {
            "factor": factors,
            "mean_abs_shap_g": size,
            "low_g": low,
            "high_g": high,
            "shuffled_g": noise,
            "mean_abs_shap_points": points,
            "rank": 1 + np.argsort(np.argsort(-size)),
            "rank_low": rank_low.astype(int),
            "rank_high": rank_high.astype(int),
            "top5_share": (ranks <= TOP).mean(axis=0),
            # What moves the forecast by less than is ever named is no finding, however sure.
            "beyond_noise": (low > noise) & (size >= LEAST_PUSH),
        }
    )
    return table.sort_values("rank", ignore_index=True)
