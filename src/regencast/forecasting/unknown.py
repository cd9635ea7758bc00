"""What a design leaves open: averaged over the corpus, and which field would tell most."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.designs import NOT_REPORTED
from regencast.training import Forecaster

#: Draws of what is unknown; their spread moves the interval's ends by a few hundredths of g.
DRAWS = 24
#: Designs whose draws are held in memory, and forecast in one call, at a time.
BATCH = 64
#: Fields that are named, and the least standard deviation, in g, that is worth a word.
NAMED = 3
LEAST = 0.02


def average_unknown(
    forecaster: Forecaster,
    designs: pd.DataFrame,
    new: np.ndarray | None = None,
    narrowing: bool = False,
) -> pd.DataFrame:
    """Forecast designs, averaging what they leave open over the corpus.

    A field that a published study does not report is a level of its own; a field that a proposal
    leaves open is unknown, and every published value of it may be meant.

    Parameters
    ----------
    forecaster : Forecaster
    designs : pandas.DataFrame, n rows
        Typed.
    new : ndarray of bool, shape (n,), optional
        Designs with a level that the corpus lacks; they are forecast as lying beyond support.
    narrowing : bool, default False
        Whether to find which open fields move the forecast most; each of them takes as long as
        the forecast itself.

    Returns
    -------
    pandas.DataFrame
        As `Forecaster.forecast`, its intervals widened by the spread over the draws, and with
        ``narrowing`` the column ``would_narrow``: the open fields that move the forecast most.
    """
    encoder = forecaster.blend.encoder
    found = forecaster.forecast(designs, beyond=new)
    if narrowing:
        found["would_narrow"] = ""
    factors = list(dict.fromkeys(feature.factor for feature in encoder.features_))
    open_ = _open_factors(designs, encoder, factors)
    drawn = {
        factor: _draws(forecaster, factor, k)
        for k, factor in enumerate(factors)
        if open_[factor].any()
    }
    rows = np.flatnonzero(open_.any(axis=1))
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        X = encoder.transform(designs.iloc[part])
        mean, extra, alone = _averages(forecaster, X, open_.iloc[part], drawn, narrowing)
        _widen(forecaster, found, designs.index[part], mean, extra)
        if narrowing:
            found.loc[designs.index[part], "would_narrow"] = _named(alone, len(part))
    return found


def _draws(forecaster: Forecaster, factor: str, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a factor's columns and published values of them, shape (draws, n_columns).

    The draws depend on the factor alone, not on the other designs of a table.
    """
    encoder, training = forecaster.blend.encoder, forecaster.support.designs
    columns = np.flatnonzero([feature.factor == factor for feature in encoder.features_])
    reported = training[_reported(training, encoder, columns)]
    if not len(reported):
        return columns, np.empty((0, len(columns)))
    picked = np.random.default_rng(place).integers(0, len(reported), DRAWS)
    return columns, reported[picked][:, columns]


def _averages(
    forecaster: Forecaster,
    X: np.ndarray,
    open_: pd.DataFrame,
    drawn: dict[str, tuple[np.ndarray, np.ndarray]],
    narrowing: bool,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return mean and spread over the draws, and if asked for that of each open factor alone."""
    whole = np.repeat(X[None], DRAWS, axis=0)
    singles: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for factor in open_.columns[open_.any()]:
        columns, values = drawn[factor]
        if not len(values):
            continue
        here = np.flatnonzero(open_[factor].to_numpy())
        whole[np.ix_(np.arange(DRAWS), here, columns)] = values[:, None]
        if narrowing:
            single = np.repeat(X[None, here], DRAWS, axis=0)
            single[:, :, columns] = values[:, None]
            singles[factor] = here, single
    # One call for all draws: a call costs more than its rows where these are few.
    forecasts = _forecasts(forecaster, [whole, *(drawn for _, drawn in singles.values())])
    alone = {factor: np.zeros(len(X)) for factor in singles}
    for (factor, (here, _)), found in zip(singles.items(), forecasts[1:], strict=True):
        alone[factor][here] = found.std(axis=0)
    return forecasts[0].mean(axis=0), forecasts[0].std(axis=0), alone


def _widen(
    forecaster: Forecaster,
    found: pd.DataFrame,
    index: pd.Index,
    mean: np.ndarray,
    extra: np.ndarray,
) -> None:
    """Put averages in the place of forecasts; independent spreads add in squares."""
    calibration = forecaster.calibration
    width = (found.loc[index, "high90"] - found.loc[index, "low90"]).to_numpy()
    observed = np.hypot(width / (calibration.high - calibration.low), extra)
    found.loc[index, "predicted"] = mean
    found.loc[index, "low90"] = mean + calibration.low * observed
    found.loc[index, "high90"] = mean + calibration.high * observed
    found.loc[index, "true_sd"] = np.hypot(found.loc[index, "true_sd"].to_numpy(), extra)


def _open_factors(designs: pd.DataFrame, encoder, factors: list[str]) -> pd.DataFrame:
    """Return for each design which factors it says nothing of."""
    table = pd.DataFrame(index=designs.index)
    for factor in factors:
        columns = [f.name for f in encoder.schema.design if f.factor == factor]
        present = [name for name in columns if name in designs]
        table[factor] = designs[present].isna().all(axis=1)
    return table


def _reported(training: np.ndarray, encoder, columns: np.ndarray) -> np.ndarray:
    """Return which training designs report a factor: a number, or a level of its own."""
    values = training[:, columns]
    told = np.zeros(len(training), dtype=bool)
    for place, column in enumerate(columns):
        feature = encoder.features_[column]
        if feature.kind in ("level", "label", "class"):
            if feature.level != NOT_REPORTED:
                told |= values[:, place] > 0
        else:
            told |= ~np.isnan(values[:, place])
    return told


def _forecasts(forecaster: Forecaster, drawn: list[np.ndarray]) -> list[np.ndarray]:
    """Return the forecasts of each block of encoded designs, shape (draws, n) of that block."""
    flat = [block.reshape(-1, block.shape[2]) for block in drawn]
    found = forecaster.blend.predict_encoded(np.concatenate(flat))
    parts = np.split(found, np.cumsum([len(block) for block in flat])[:-1])
    return [part.reshape(block.shape[:2]) for part, block in zip(parts, drawn, strict=True)]


def _named(alone: dict[str, np.ndarray], count: int) -> list[str]:
    texts = []
    for place in range(count):
        spread = {name: values[place] for name, values in alone.items() if values[place] >= LEAST}
        best = sorted(spread, key=lambda name: -spread[name])[:NAMED]
        texts.append("; ".join(f"{name} (+-{spread[name]:.2f} g)" for name in best))
    return texts
