"""From a proposed design to the number of animals that it needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from regencast.corpus.schema import SIZE_ROLES
from regencast.forecasting.animals import (
    MOST,
    animals_for_assurance,
    animals_for_power,
    chance_of_benefit,
    with_attrition,
)
from regencast.forecasting.designs import check_designs
from regencast.forecasting.score import score_designs
from regencast.forecasting.understand import understand
from regencast.forecasting.unknown import average_unknown
from regencast.training import Forecaster

COLUMNS = ("plan_effect", "animals_per_group", "animals_per_group_assured", "plan_note")
#: A large study has this many times the corpus's usual group.
LARGE = 2.0


@dataclass(frozen=True)
class Wish:
    """What a study is to achieve.

    Attributes
    ----------
    power, assurance : float
        Between 0 and 1.
    alpha : float
        Two-sided.
    attrition : float
        Share of animals that will not reach the end, below 1.
    """

    power: float = 0.8
    assurance: float = 0.8
    alpha: float = 0.05
    attrition: float = 0.0


def plan_designs(
    forecaster: Forecaster, frame: pd.DataFrame, file: str, wish: Wish | None = None
) -> pd.DataFrame:
    """Score designs and say how many animals each needs.

    Small studies report larger effects, which is no benefit of small groups: the plan goes by the
    smaller of the forecasts at the design's own group size and at twice the corpus's usual one.

    Parameters
    ----------
    forecaster : Forecaster
    frame : pandas.DataFrame
        Designs as read.
    file : str
        For the messages.
    wish : Wish, optional

    Returns
    -------
    pandas.DataFrame
        As `score_designs`, then plan_effect (g), animals_per_group (for the power at that effect),
        animals_per_group_assured (for the assurance over the forecast's distribution of the true
        effect) and plan_note.
    """
    wish = wish or Wish()
    result = score_designs(forecaster, frame, file)
    for column in COLUMNS:
        result[column] = pd.Series(None, index=result.index, dtype=object)
    good = result.index[result["fault"].isna()]
    if good.empty:
        return result
    encoder = forecaster.blend.encoder
    meant, _ = understand(frame.loc[good], encoder, forecaster.synonyms)
    typed, _ = check_designs(meant, encoder, file)
    effect, spread = planning_effect(forecaster, typed)
    for row, mean, sd in zip(good, effect, spread, strict=True):
        result.at[row, "plan_effect"] = round(float(mean), 4)
        if mean > 0:
            enough = animals_for_power(mean, wish.power, wish.alpha)
            assured = animals_for_assurance(mean, sd, wish.assurance, wish.alpha)
            result.at[row, "animals_per_group"] = with_attrition(enough, wish.attrition)
            result.at[row, "animals_per_group_assured"] = with_attrition(assured, wish.attrition)
        else:
            enough = assured = None
        notes = _notes(mean, sd, enough, assured, wish)
        support = result.at[row, "support"]
        if support != "supported":
            notes.append(f"{support} support: pilot before planning by this")
        if not forecaster.calibration.conformal:
            notes.append("too few studies with numbers: the size of the effect leans on the prior")
        result.at[row, "plan_note"] = "; ".join(notes)
    return result


def planning_effect(forecaster: Forecaster, designs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the true effect that a plan goes by, each shape (n,).

    Parameters
    ----------
    forecaster : Forecaster
    designs : pandas.DataFrame
        Typed.
    """
    own = average_unknown(forecaster, designs)
    usual = 2 / forecaster.calibration.sampling
    large = designs.copy()
    for role in SIZE_ROLES:
        name = forecaster.blend.encoder.schema.column(role)
        if name in large:
            large[name] = LARGE * usual
    wide = average_unknown(forecaster, large)
    smaller = wide["predicted"] < own["predicted"]
    mean = np.where(smaller, wide["predicted"], own["predicted"])
    return mean, np.maximum(own["true_sd"], wide["true_sd"]).to_numpy()


def _notes(
    mean: float, sd: float, enough: int | None, assured: int | None, wish: Wish
) -> list[str]:
    if mean <= 0:
        return ["no benefit is forecast: no number of animals will show one"]
    notes = []
    if enough is None:
        notes.append(f"more than {MOST} animals per group for a power of {wish.power:g}")
    benefit = chance_of_benefit(mean, sd)
    if assured is None and benefit <= wish.assurance:
        notes.append(
            f"an assurance of {wish.assurance:g} is out of reach: the chance that there is any "
            f"benefit is {np.floor(100 * benefit) / 100:.2f}"
        )
    elif assured is None:
        notes.append(f"more than {MOST} animals per group for an assurance of {wish.assurance:g}")
    return notes
