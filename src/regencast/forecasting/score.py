"""Scoring proposed designs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.effects import regeneration_score
from regencast.errors import fail
from regencast.forecasting.attribution import stated_shapley
from regencast.forecasting.beyond import beyond_studies
from regencast.forecasting.designs import check_designs, new_levels
from regencast.forecasting.understand import has_design, understand
from regencast.forecasting.unknown import (
    average_unknown,
    equal_groups,
    open_factors,
    stated_features,
    taken_for_granted,
)
from regencast.forecasting.unmet import never_together
from regencast.training import Forecaster

COLUMNS = (
    "score",
    "score_low",
    "score_high",
    "effect",
    "effect_low",
    "effect_high",
    "baseline_score",
    "support",
    "pushes_up",
    "pushes_down",
    "nearest_studies",
    "fault",
    "verdict",
    "understood",
    "would_narrow",
    "never_together",
    "beyond_studies",
)
#: Columns of `COLUMNS` that hold text.
TEXTS = frozenset(COLUMNS[7:])
#: A factor that moves the forecast by less than this, in g, is not named.
LEAST_PUSH = 0.005
NEAREST = 5


def score_designs(
    forecaster: Forecaster,
    frame: pd.DataFrame,
    file: str,
    allow_new: bool = False,
    reasons: bool = True,
) -> pd.DataFrame:
    """Forecast designs.

    Parameters
    ----------
    forecaster : Forecaster
    frame : pandas.DataFrame
        Designs as read; a row with a fault comes back with the fault and no forecast.
    file : str
        For the messages.
    allow_new : bool, default False
        Forecast a design with a level that the corpus lacks, as extrapolating, instead of refusing.
    reasons : bool, default True
        Whether to say what pushes each forecast and which studies are nearest; without them it is
        many times faster, and those columns stay empty.

    Returns
    -------
    pandas.DataFrame
        The design's own columns, then those of ``COLUMNS``.

    Raises
    ------
    FaultyInput
        If no column belongs to a design.
    """
    encoder = forecaster.blend.encoder
    if len(frame.columns) and not has_design(frame, encoder):
        some = ", ".join(field.name for field in encoder.schema.design[:5])
        raise fail(file, "no column is one of a design", f"Name columns as the corpus does: {some}")
    meant, understood = understand(frame, encoder, forecaster.synonyms)
    typed, faults = check_designs(meant, encoder, file, allow_new)
    result = frame.drop(columns=[c for c in COLUMNS if c in frame]).copy()
    for column in COLUMNS:
        result[column] = pd.Series(None, index=result.index, dtype=object)
    for row in {fault.row for fault in faults}:
        result.at[row, "fault"] = " | ".join(str(fault) for fault in faults if fault.row == row)
    good = result.index[result["fault"].isna()]
    if good.empty:
        return result
    granted = taken_for_granted(typed.loc[good], encoder.schema)
    designs = equal_groups(typed.loc[good], encoder.schema)
    new = new_levels(designs, encoder)
    forecast = average_unknown(forecaster, designs, new, narrowing=True)
    for name, column in (("score", "predicted"), ("score_low", "low90"), ("score_high", "high90")):
        result.loc[good, name] = regeneration_score(forecast[column]).round(2)
        effect = name.replace("score", "effect")
        result.loc[good, effect] = forecast[column].round(4).to_numpy()
    result.loc[good, "baseline_score"] = regeneration_score(forecast["baseline"]).round(2)
    result.loc[good, "support"] = forecast["support"]
    result.loc[good, "verdict"] = forecaster.verdict
    told = (understood[good] + "; " + granted).str.strip("; ")
    result.loc[good, "understood"] = told.replace("", None)
    result.loc[good, "would_narrow"] = forecast["would_narrow"].replace("", None)
    X = encoder.transform(designs)
    result.loc[good, "never_together"] = [text or None for text in never_together(forecaster, X)]
    result.loc[good, "beyond_studies"] = [text or None for text in beyond_studies(forecaster, X)]
    if not reasons:
        return result
    stated = stated_features(forecaster, open_factors(forecaster, designs))
    near = nearest(forecaster, X, stated)
    result.loc[good, "nearest_studies"] = ["; ".join(names) for names in near]
    values, _ = stated_shapley(forecaster, designs, forecast["predicted"].to_numpy())
    result.loc[good, ["pushes_up", "pushes_down"]] = pushes(values)
    return result


def nearest(forecaster: Forecaster, X: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """Return the five training studies nearest to encoded designs in what they state.

    Returns
    -------
    ndarray of str, shape (n, 5) or fewer
    """
    apart, names = forecaster.support.distances(X, stated)
    return names[np.argsort(apart, axis=1, kind="stable")[:, :NEAREST]]


def pushes(values: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the three factors that raise, and lower, each forecast most.

    Parameters
    ----------
    values : pandas.DataFrame
        As `stated_shapley` gives them.
    """
    texts = []
    for _, row in values.iterrows():
        up = row[row > LEAST_PUSH].sort_values(ascending=False)[:3]
        down = row[row < -LEAST_PUSH].sort_values()[:3]
        texts.append((_listed(up), _listed(down)))
    return texts


def _listed(values: pd.Series) -> str:
    return "; ".join(f"{name} ({value:+.2f} g)" for name, value in values.items())
