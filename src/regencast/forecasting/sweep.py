"""One design over the range of one number: its dose, its follow-up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.designs import normalise_dose
from regencast.effects import Effects, regeneration_score
from regencast.errors import FaultyInput, fail
from regencast.forecasting.designs import unknown_doses
from regencast.forecasting.unknown import average_unknown
from regencast.training import Forecaster

STEPS = 41


def sweep(
    forecaster: Forecaster, design: pd.DataFrame, factor: str, published: np.ndarray
) -> pd.DataFrame:
    """Forecast one design with one number varied over the corpus's range.

    Parameters
    ----------
    forecaster : Forecaster
    design : pandas.DataFrame, one row
        Typed.
    factor : str
        A number's column, or ``dose``, which varies the dose's value in the design's own unit.
    published : ndarray
        As `published_values` gives them; they set the range.

    Returns
    -------
    pandas.DataFrame
        value, unit (of a dose), score, score_low, score_high, effect, baseline_score, support; the
        grid is logarithmic where the published values span more than tenfold.

    Raises
    ------
    FaultyInput
        If the column is no number of the corpus, fewer than two values are published, or a dose
        has no unit or is a concentration without a volume above 0.
    """
    column, schema = number_column(forecaster, factor), forecaster.blend.encoder.schema
    unit = schema.column("dose_unit") if column == schema.column("dose_value") else None
    faults = unknown_doses(design.iloc[:1], schema, factor) if unit else []
    if faults:
        raise FaultyInput(faults)
    known = published[np.isfinite(published) & (published > 0)]
    if len(np.unique(known)) < 2:
        what = f"known doses in {design[unit].iloc[0]}" if unit else "values of it"
        raise fail(factor, f"the corpus has fewer than two {what}", "Sweep another factor")
    low, high = np.quantile(known, [0.025, 0.975])
    grid = np.geomspace(low, high, STEPS) if high > 10 * low else np.linspace(low, high, STEPS)
    designs = pd.concat([design.iloc[:1]] * STEPS, ignore_index=True)
    designs[column] = grid
    found = average_unknown(forecaster, designs)
    return pd.DataFrame(
        {
            "value": grid,
            "unit": design[unit].iloc[0] if unit else None,
            "score": regeneration_score(found["predicted"]),
            "score_low": regeneration_score(found["low90"]),
            "score_high": regeneration_score(found["high90"]),
            "effect": found["predicted"],
            "baseline_score": regeneration_score(found["baseline"]),
            "support": found["support"],
        }
    )


def published_values(
    corpus: Corpus, effects: Effects, column: str, design: pd.DataFrame
) -> np.ndarray:
    """Return the values of a number that the model learned from; of a dose, those in one unit.

    A concentration without its volume tells no dose: such a study is no evidence for one.

    Parameters
    ----------
    corpus : Corpus
    effects : Effects
        Of its contrasts.
    column : str
    design : pandas.DataFrame, one row
        Typed; its unit is that of the doses.
    """
    rows, schema = corpus.frame[effects.informative], corpus.schema
    unit = schema.column("dose_unit")
    if unit and column == schema.column("dose_value"):
        told = (normalise_dose(rows, schema) > 0).any(axis=1)
        rows = rows[told & (rows[unit] == design[unit].iloc[0])]
    return rows[column].to_numpy(dtype=float)


def number_column(forecaster: Forecaster, factor: str) -> str:
    """Return the column that a sweep of a factor varies."""
    fields = forecaster.blend.encoder.schema.design
    numbers = [f for f in fields if f.type == "number"]
    if factor == "dose":
        numbers = [f for f in fields if f.role == "dose_value"]
    found = next((f for f in numbers if factor in (f.name, f.factor)), None)
    if factor == "dose" and numbers:
        found = numbers[0]
    if found is None:
        names = ", ".join(dict.fromkeys(["dose", *(f.name for f in fields if f.type == "number")]))
        raise fail(factor, "it is no number that a design has", f"Sweep one of {names}")
    return found.name
