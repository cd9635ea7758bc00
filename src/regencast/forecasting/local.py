"""How the score of one design is reached, factor by factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from regencast.corpus import Schema
from regencast.effects import regeneration_score
from regencast.forecasting.attribution import stated_shapley
from regencast.forecasting.unknown import average_unknown, equal_groups
from regencast.training import Forecaster
from regencast.words import readable_level

STEPS = 9


@dataclass(frozen=True)
class Reasons:
    """What adds up to the forecast of one design, in g.

    Attributes
    ----------
    values : pandas.Series
        What each factor that the design states adds, and ``averaging what is open`` where
        anything is.
    base : float
        Forecast of the average design.
    baseline : float
        What the random-effects mean forecasts.
    said : dict
        By factor, what the design says of it, as read.
    """

    values: pd.Series
    base: float
    baseline: float
    said: dict[str, str]


def explain_design(forecaster: Forecaster, design: pd.DataFrame) -> Reasons:
    """Return what adds up to the forecast of a design.

    Parameters
    ----------
    forecaster : Forecaster
    design : pandas.DataFrame, one row
        Typed.
    """
    design = equal_groups(design, forecaster.blend.encoder.schema)
    forecast = average_unknown(forecaster, design)
    values, base = stated_shapley(forecaster, design, forecast["predicted"].to_numpy())
    row = values.iloc[0].dropna()
    said = _said(forecaster.blend.encoder.schema, design.iloc[0])
    return Reasons(row, float(base[0]), float(forecast["baseline"].iloc[0]), said)


def _said(schema: Schema, design: pd.Series) -> dict[str, str]:
    """Return what a design says of each factor: of a dose "100 ug", of group sizes "8, 8"."""
    values: dict[str, list[object]] = {}
    for field in schema.design:
        value = design.get(field.name)
        values.setdefault(field.factor, []).extend([] if pd.isna(value) else [value])
    return {
        factor: (", " if all(isinstance(value, float) for value in given) else " ").join(
            readable_level(value, 40) for value in given
        )
        or "not given"
        for factor, given in values.items()
    }


def score_steps(reasons: Reasons, most: int = STEPS) -> pd.Series:
    """Return what each factor adds in score points, largest first; the small ones together.

    Parameters
    ----------
    reasons : Reasons
    most : int, default 9
        Factors that stand alone.

    Returns
    -------
    pandas.Series
        Sums to the score of the design less the score of the average design.

    Examples
    --------
    >>> steps = score_steps(Reasons(pd.Series({"dose": 1.0, "route": -0.2}), 0.0, 0.0, {}))
    >>> bool(np.isclose(50 + steps.sum(), regeneration_score(0.8)))
    True
    """
    row = reasons.values
    order = row.abs().sort_values(ascending=False, kind="stable").index
    alone = row[order[:most]]
    rest = row[order[most:]].sum()
    if len(row) > most:
        alone = pd.concat([alone, pd.Series({"all other factors": rest})])
    scores = regeneration_score(reasons.base + np.concatenate([[0.0], alone.cumsum().to_numpy()]))
    return pd.Series(np.diff(scores), index=alone.index)
