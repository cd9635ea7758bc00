"""What a design leaves open: averaged over the corpus, and which field would tell most."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np
import pandas as pd

from regencast.corpus import Schema
from regencast.corpus.schema import DOSE_ROLES, SIZE_ROLES
from regencast.designs import DesignEncoder
from regencast.designs.dose import SCALES, normalise_dose
from regencast.designs.encoder import administrations
from regencast.training import Forecaster
from regencast.training.published import Published

#: Values that stand for all published ones: of one open factor, where it has more, and of several
#: together. On the shipped corpus they move a forecast by about 0.01 g, an interval's end by 0.08.
DRAWS = 48
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
    leaves open is unknown, and every published value of it may be meant: in the forecast their mean
    counts, in support their median.

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
        As `Forecaster.forecast`, its intervals widened by the spread over the published values,
        and with ``narrowing`` the column ``would_narrow``: the open fields that move the forecast
        most.
    """
    designs = equal_groups(designs, forecaster.blend.encoder.schema)
    open_ = open_factors(forecaster, designs)
    open_ = open_[[factor for factor in open_ if factor in forecaster.published]]
    X = forecaster.blend.encoder.transform(designs)
    mean, extra = forecaster.blend.predict_encoded(X), np.zeros(len(designs))
    distance = np.empty(len(designs))
    stated = ~open_.any(axis=1).to_numpy()
    distance[stated] = forecaster.support.remoteness(X[stated])
    named = np.full(len(designs), "", dtype=object)
    for factors, rows in _alike(open_):
        part = designs.iloc[rows]
        mean[rows], extra[rows], alone = _averages(forecaster, part, factors, narrowing)
        named[rows] = _named(alone, len(rows))
        values = [
            (one.columns, *one.weighted(DRAWS))
            for one in (forecaster.published[factor] for factor in factors)
        ]
        distance[rows] = forecaster.support.typical_remoteness(X[rows], values)
    found = forecaster.forecast(designs, new, distance, mean)
    _widen(forecaster, found, extra)
    return found.assign(would_narrow=named) if narrowing else found


def equal_groups(designs: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return designs in which a group whose size is not given is as large as the other."""
    names = [schema.column(role) for role in SIZE_ROLES]
    if not all(name in designs for name in names):
        return designs
    one, other = designs[names[0]], designs[names[1]]
    designs = designs.copy()
    designs[names[0]], designs[names[1]] = one.fillna(other), other.fillna(one)
    return designs


def taken_for_granted(designs: pd.DataFrame, schema: Schema) -> pd.Series:
    """Return for each design what is made of a dose or of group sizes that are half given.

    Parameters
    ----------
    designs : pandas.DataFrame, n rows
        Typed.
    schema : Schema
    """
    said = pd.Series("", index=designs.index, dtype=object)
    value, unit, volume = (schema.column(role) for role in DOSE_ROLES)
    if value in designs and unit in designs:
        lone = designs[unit].notna() & designs[value].isna()
        said[lone] += f"; {unit} without {value}: the dose is taken as open"
        said[designs[value] == 0] += f"; {value} of 0 is no dose: the dose is taken as open"
        if volume in designs:
            none = (normalise_dose(designs, schema) == 0).any(axis=1) & (designs[value] > 0)
            said[none] += f"; {volume} of 0 is no dose: the dose is taken as open"
    names = [schema.column(role) for role in SIZE_ROLES]
    if all(name in designs for name in names):
        for one, other in (names, names[::-1]):
            lone = designs[one].isna() & designs[other].notna()
            said[lone] += f"; {one} is taken as {other}"
    return said.str.removeprefix("; ")


def open_factors(forecaster: Forecaster, designs: pd.DataFrame) -> pd.DataFrame:
    """Return for each design which factors it leaves open, shape (n, n_factors).

    A factor is open where no column of it is filled, a dose where no amount can be told: neither
    a unit, nor how often it is given, nor zero is an amount.

    Parameters
    ----------
    forecaster : Forecaster
    designs : pandas.DataFrame, n rows
        Typed.
    """
    encoder = forecaster.blend.encoder
    table = pd.DataFrame(index=designs.index)
    for factor in dict.fromkeys(feature.factor for feature in encoder.features_):
        columns = [f.name for f in encoder.schema.design if f.factor == factor]
        present = [name for name in columns if name in designs]
        table[factor] = designs[present].isna().all(axis=1)
    dose = next((f.factor for f in encoder.features_ if f.kind == "dose"), None)
    if dose is not None:
        table[dose] = ~(normalise_dose(designs, encoder.schema) > 0).any(axis=1)
    return table


def stated_features(forecaster: Forecaster, open_: pd.DataFrame) -> np.ndarray:
    """Return which encoded features each design states, shape (n, n_features).

    Parameters
    ----------
    forecaster : Forecaster
    open_ : pandas.DataFrame, shape (n, n_factors)
        As `open_factors` gives it.
    """
    return ~open_[[feature.factor for feature in forecaster.blend.encoder.features_]].to_numpy()


def _alike(open_: pd.DataFrame) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield the designs that leave the same factors open, some at a time, by their places."""
    patterns, which = np.unique(open_.to_numpy(dtype=bool), axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == k)
        for start in range(0, len(rows) if pattern.any() else 0, BATCH):
            yield list(open_.columns[pattern]), rows[start : start + BATCH]


def _averages(
    forecaster: Forecaster, designs: pd.DataFrame, factors: list[str], narrowing: bool
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return mean and spread over what is open, and if asked for each factor's spread alone."""
    published = [forecaster.published[factor] for factor in factors]
    together = [_jointly(factors, published)] if len(factors) > 1 else []
    single = [(one.columns, *one.weighted(DRAWS)) for one in published]
    sets = together + (single if narrowing or not together else [])
    encoder = forecaster.blend.encoder
    X = encoder.transform(designs)
    blocks = []
    for columns, values, _ in sets:
        block = np.repeat(X[None], len(values), axis=0)
        block[:, :, columns] = values[:, None]
        _keep_doses_given(block, columns, X, designs, encoder)
        blocks.append(block)
    moments = [
        _moments(forecasts, shares)
        for forecasts, (_, _, shares) in zip(_forecasts(forecaster, blocks), sets, strict=True)
    ]
    spreads = [spread for _, spread in moments[len(together) :]]
    alone = dict(zip(factors, spreads, strict=True)) if narrowing else {}
    return *moments[0], alone


def _jointly(
    factors: list[str], published: list[Published]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns, values and shares of several open factors together.

    A Latin hypercube: each factor's values are as evenly spread as alone, in an order of its own
    that depends on its name and on nothing else.
    """
    values = [
        one.spread(DRAWS)[np.random.default_rng(crc32(factor.encode())).permutation(DRAWS)]
        for factor, one in zip(factors, published, strict=True)
    ]
    columns = np.concatenate([one.columns for one in published])
    return columns, np.concatenate(values, axis=1), np.full(DRAWS, 1 / DRAWS)


def _keep_doses_given(
    block: np.ndarray,
    columns: np.ndarray,
    X: np.ndarray,
    designs: pd.DataFrame,
    encoder: DesignEncoder,
) -> None:
    """Put back how often a dose is given, where a design says that and no amount."""
    features = {j: encoder.features_[j] for j in columns}
    doses = {str(f.level): j for j, f in features.items() if f.kind == "dose"}
    if not doses:
        return
    factor = features[next(iter(doses.values()))].factor
    for j, feature in features.items():
        if feature.factor == factor and feature.kind != "dose":
            said = designs[feature.column].notna().to_numpy()
            block[:, said, j] = X[said, j]
    count = administrations(designs)
    said = count > 0
    for scale in doses.keys() & set(SCALES):
        if f"total_{scale}" in doses:
            total = block[:, said, doses[scale]] + np.log10(count[said])
            block[:, said, doses[f"total_{scale}"]] = total


def _forecasts(forecaster: Forecaster, blocks: list[np.ndarray]) -> list[np.ndarray]:
    """Return the forecasts of blocks of encoded designs, shape (values, n) of each block.

    One call for all: a call costs more than its rows where these are few.
    """
    flat = [block.reshape(-1, block.shape[2]) for block in blocks]
    found = forecaster.blend.predict_encoded(np.concatenate(flat))
    parts = np.split(found, np.cumsum([len(block) for block in flat])[:-1])
    return [part.reshape(block.shape[:2]) for part, block in zip(parts, blocks, strict=True)]


def _moments(forecasts: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each design's forecasts, shape (values, n)."""
    mean = shares @ forecasts
    return mean, np.sqrt(shares @ (forecasts - mean) ** 2)


def _widen(forecaster: Forecaster, found: pd.DataFrame, extra: np.ndarray) -> None:
    """Widen intervals by the spread over what is open; independent spreads add in squares."""
    calibration, rows = forecaster.calibration, extra > 0
    width = (found["high90"] - found["low90"]).to_numpy()
    observed = np.hypot(width / (calibration.high - calibration.low), extra)
    widened = {
        "low90": found["predicted"] + calibration.low * observed,
        "high90": found["predicted"] + calibration.high * observed,
        "true_sd": np.hypot(found["true_sd"].to_numpy(), extra),
    }
    for column, values in widened.items():
        found[column] = np.where(rows, values, found[column])


def _named(alone: dict[str, np.ndarray], count: int) -> list[str]:
    texts = []
    for place in range(count):
        spread = {name: values[place] for name, values in alone.items() if values[place] >= LEAST}
        best = sorted(spread, key=lambda name: -spread[name])[:NAMED]
        texts.append("; ".join(f"{name} (+-{spread[name]:.2f} g)" for name in best))
    return texts
