"""From published pooled estimates to the prior that holds the scale of the effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.designs import DesignEncoder
from regencast.effects import hedges_variance
from regencast.models import Prior, RandomEffectsMean

#: Group size at which the sampling variance inside a pooled estimate is reckoned.
USUAL_N = 6.0
#: A level's own mean is used from this number of meta-analyses on.
MIN_SOURCES = 2
MIN_TAU = 0.2


def make_baseline(
    encoder: DesignEncoder, pooled: pd.DataFrame | None, by: str
) -> RandomEffectsMean:
    """Return the unfitted baseline of an encoder's designs.

    Parameters
    ----------
    encoder : DesignEncoder
        Fitted.
    pooled : pandas.DataFrame or None
        Published estimates, as `regencast.corpus.read_pooled` gives them; None for no prior.
    by : str
        The category whose common levels get a mean of their own (the tissue); empty for none.

    Returns
    -------
    RandomEffectsMean
    """
    levels = {
        feature.level: place
        for place, feature in enumerate(encoder.features_)
        if by and feature.column == by and feature.kind == "level" and feature.level is not None
    }
    prior = None if pooled is None else prior_from_pooled(pooled, by, tuple(levels))
    return RandomEffectsMean(prior, tuple(levels.values()))


def prior_from_pooled(pooled: pd.DataFrame, by: str, levels: tuple[str, ...]) -> Prior | None:
    """Return location, spread and the levels' means that published estimates support.

    Estimates of one meta-analysis share their animals and count once. The spread between studies
    is the median over estimates of ``k se^2 - v``, for the variance of a pooled mean of k studies
    is close to (tau2 + v) / k.

    Parameters
    ----------
    pooled : pandas.DataFrame
    by : str
        Column of ``pooled`` that holds the levels.
    levels : tuple of str

    Returns
    -------
    Prior or None
        None where no standardised mean difference against a control is among the estimates.
    """
    kept = prior_estimates(pooled)
    if kept.empty:
        return None
    effect = kept["estimate"] * kept["outcome_better"].map({"higher": 1.0, "lower": -1.0})
    source = pooled_sources(kept)
    means = effect.groupby(source).mean()
    spread = float(means.std(ddof=1)) if len(means) > 1 else 1.0
    taus = _taus(kept, effect.to_numpy(dtype=float))
    return Prior(
        mean=float(means.mean()),
        mean_sd=max(spread, 0.3),
        tau=float(np.median(taus)) if len(taus) else Prior().tau,
        log_tau_sd=max(float(np.std(np.log(taus))), 0.3) if len(taus) > 2 else 1.0,
        group_means=tuple(_level_mean(kept, effect, source, by, level) for level in levels),
    )


def prior_estimates(pooled: pd.DataFrame) -> pd.DataFrame:
    """Return the estimates that the prior rests on: standardised differences against a control."""
    texts = {name: pooled[name].astype(str).str.casefold() for name in ("measure", "comparator")}
    told = pooled["estimate"].notna()
    return pooled[told & (texts["measure"] == "smd") & (texts["comparator"] == "control")]


def pooled_sources(kept: pd.DataFrame) -> pd.Series:
    """Return what tells one meta-analysis from another: its DOI, else its page."""
    names = kept["pooled_id"].astype(object)
    for column in ("source_url", "doi"):
        if column in kept:
            names = kept[column].where(kept[column].notna(), names)
    return names


def _taus(kept: pd.DataFrame, effect: np.ndarray) -> np.ndarray:
    if "k_studies" not in kept:
        return np.zeros(0)
    error = (kept["ci_high"] - kept["ci_low"]).to_numpy(dtype=float) / (2 * 1.959963984540054)
    k = kept["k_studies"].to_numpy(dtype=float)
    tau2 = k * error**2 - hedges_variance(effect, USUAL_N, USUAL_N)
    return np.sqrt(np.maximum(tau2[np.isfinite(tau2)], MIN_TAU**2))


def _level_mean(
    kept: pd.DataFrame, effect: pd.Series, source: pd.Series, by: str, level: str
) -> float:
    if by not in kept:
        return float("nan")
    rows = kept[by] == level
    means = effect[rows].groupby(source[rows]).mean()
    return float(means.mean()) if len(means) >= MIN_SOURCES else float("nan")
