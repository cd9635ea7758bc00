"""What a design leaves open: averaged over the corpus, and which field would tell most."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.training import Forecaster

#: Draws of what is unknown; their spread moves the interval's ends by a few hundredths of g.
DRAWS = 24
#: Fields that are named, and the least standard deviation, in g, that is worth a word.
NAMED = 3
LEAST = 0.02


def average_unknown(
    forecaster: Forecaster, designs: pd.DataFrame, new: np.ndarray | None = None
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

    Returns
    -------
    pandas.DataFrame
        As `Forecaster.forecast`, its intervals widened by the spread over the draws, and
        ``would_narrow``: the open fields that move the forecast most.
    """
    encoder = forecaster.blend.encoder
    found = forecaster.forecast(designs, beyond=new)
    found["would_narrow"] = ""
    factors = [feature.factor for feature in encoder.features_]
    open_ = _open_factors(designs, encoder, list(dict.fromkeys(factors)))
    rows = np.flatnonzero(open_.any(axis=1))
    if not len(rows):
        return found
    X = encoder.transform(designs.iloc[rows])
    names = np.array(factors)
    training = forecaster.support.designs
    rng = np.random.default_rng(0)
    drawn = np.repeat(X[None], DRAWS, axis=0)
    alone: dict[str, np.ndarray] = {}
    for factor in open_.columns[open_.any()]:
        columns = np.flatnonzero(names == factor)
        reported = training[_reported(training, encoder, columns)]
        if not len(reported):
            continue
        values = reported[rng.integers(0, len(reported), DRAWS)][:, columns]
        here = np.flatnonzero(open_[factor].to_numpy()[rows])
        single = np.repeat(X[None, here], DRAWS, axis=0)
        for place in range(DRAWS):
            drawn[place][np.ix_(here, columns)] = values[place]
            single[place][:, columns] = values[place]
        spread = np.zeros(len(rows))
        spread[here] = _forecasts(forecaster, single).std(axis=0)
        alone[factor] = spread
    forecasts = _forecasts(forecaster, drawn)
    mean, extra = forecasts.mean(axis=0), forecasts.std(axis=0)
    index = designs.index[rows]
    calibration = forecaster.calibration
    # Independent spreads add in squares: of the true effect, and of the observed one.
    width = (found.loc[index, "high90"] - found.loc[index, "low90"]).to_numpy()
    observed = np.sqrt((width / (calibration.high - calibration.low)) ** 2 + extra**2)
    found.loc[index, "predicted"] = mean
    found.loc[index, "low90"] = mean + calibration.low * observed
    found.loc[index, "high90"] = mean + calibration.high * observed
    found.loc[index, "true_sd"] = np.hypot(found.loc[index, "true_sd"].to_numpy(), extra)
    found.loc[index, "would_narrow"] = _named(alone, len(rows))
    return found


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
        if feature.kind in ("level", "label"):
            if feature.level != "(not reported)":
                told |= values[:, place] > 0
        else:
            told |= ~np.isnan(values[:, place])
    return told


def _forecasts(forecaster: Forecaster, drawn: np.ndarray) -> np.ndarray:
    draws, rows, width = drawn.shape
    return forecaster.blend.predict_encoded(drawn.reshape(-1, width)).reshape(draws, rows)


def _named(alone: dict[str, np.ndarray], count: int) -> list[str]:
    texts = []
    for place in range(count):
        spread = {name: values[place] for name, values in alone.items() if values[place] >= LEAST}
        best = sorted(spread, key=lambda name: -spread[name])[:NAMED]
        texts.append("; ".join(f"{name} (+-{spread[name]:.2f} g)" for name in best))
    return texts
