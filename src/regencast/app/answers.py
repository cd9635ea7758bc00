"""What the page says of one design: score, support, reasons, animals, precedents, dose curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regencast.app.evidence import source_link
from regencast.app.forms import table_of
from regencast.app.models import Loaded
from regencast.designs.dose import normalise_dose
from regencast.effects import regeneration_score
from regencast.errors import FaultyInput
from regencast.forecasting import (
    explain_design,
    precedents,
    score_steps,
)
from regencast.forecasting.plan import plan_designs
from regencast.forecasting.sweep import number_column, published_values, sweep
from regencast.training.calibration import MIN_STUDIES, Calibration
from regencast.words import readable

SUPPORT = {
    "supported": "Published studies lie close to this design.",
    "sparse": "Few published studies are like this design",
    "extrapolating": "No published study is like this design: take the number as a guess.",
}
#: A smaller reach widens the interval by less than 1 % per unit of remoteness.
LEAST_REACH = 0.02


@dataclass(frozen=True)
class Step:
    """One step of the waterfall, in score points from ``start`` to ``end``."""

    factor: str
    level: str
    start: float
    end: float

    @property
    def change(self) -> float:
        """Score points that it adds."""
        return self.end - self.start


@dataclass(frozen=True)
class Answer:
    """All that the page shows of one design.

    Attributes
    ----------
    row : dict
        As `plan_designs` gives it; scores as float.
    steps : tuple of Step
        From the average design to this one.
    start : float
        Score of the average design.
    nearest : list of dict
        As `precedents` gives them, with a web ``link``; empty where the model learned from
        another corpus.
    curve : pandas.DataFrame or None
        As `sweep` gives it, over the dose; None where no dose is given.
    doses : ndarray
        Published doses in the design's unit, as far as the curve goes.
    unit : str
        Of the dose; empty where none is given.
    meant : dict
        The design in the corpus's own words.
    support : str
        What the class of support means.
    """

    row: dict[str, Any]
    steps: tuple[Step, ...]
    start: float
    nearest: list[dict[str, Any]]
    curve: pd.DataFrame | None
    doses: np.ndarray
    unit: str
    meant: dict[str, Any]
    support: str


def answer_design(loaded: Loaded, design: dict[str, str]) -> Answer:
    """Forecast one design.

    Parameters
    ----------
    loaded : Loaded
    design : dict
        Column to text, not empty.

    Raises
    ------
    FaultyInput
        If a field is not understood, or not known to the model.
    """
    forecaster = loaded.forecaster
    frame = table_of([design])
    typed, faults = loaded.read(frame)
    if faults:
        raise FaultyInput(faults)
    row = plan_designs(forecaster, frame, "design").iloc[0]
    start, steps = waterfall(loaded, typed)
    nearest: list[dict[str, Any]] = []
    if loaded.same_corpus:
        found = precedents(forecaster, loaded.corpus, loaded.effects, typed, ["design"])
        studies = found.astype(object).where(found.notna(), None).to_dict("records")
        nearest = [{**study, "link": source_link(study)} for study in studies]
    curve, doses = dose_curve(loaded, typed)
    told = {str(k): (None if pd.isna(v) else v) for k, v in row.items()}
    meant = {str(name): value for name, value in typed.iloc[0].dropna().items()}
    unit = str(meant.get(loaded.schema.column("dose_unit") or "", ""))
    support = support_sentence(str(told["support"]), forecaster.calibration)
    return Answer(told, steps, start, nearest, curve, doses, unit, meant, support)


def support_sentence(support: str, calibration: Calibration) -> str:
    """Return what a class of support means, and whether the interval of a sparse design tells it.

    Parameters
    ----------
    support : str
        ``supported``, ``sparse`` or ``extrapolating``.
    calibration : Calibration
        From which the interval was made.
    """
    said = SUPPORT[support]
    if support != "sparse":
        return said
    if calibration.reach >= LEAST_REACH:
        return f"{said}: the interval is wider for it."
    if calibration.conformal:
        return f"{said}. The interval is no wider for it: held-out studies showed no need."
    return (
        f"{said}. The interval is no wider for it: how much wider it should be cannot be learned "
        f"from fewer than {MIN_STUDIES} studies with numbers."
    )


def waterfall(loaded: Loaded, typed: pd.DataFrame) -> tuple[float, tuple[Step, ...]]:
    """Return the average design's score and the steps from it to this design's."""
    reasons = explain_design(loaded.forecaster, typed)
    start = float(regeneration_score(reasons.base))
    steps = score_steps(reasons)
    ends = start + steps.cumsum().to_numpy()
    return start, tuple(
        Step(
            readable(str(name)),
            reasons.said.get(str(name), ""),
            float(end - step),
            float(end),
        )
        for name, step, end in zip(steps.index, steps, ends, strict=True)
    )


def dose_curve(loaded: Loaded, typed: pd.DataFrame) -> tuple[pd.DataFrame | None, np.ndarray]:
    """Return the score over the published doses in the design's unit, and the doses it spans.

    A concentration without its volume tells no dose: such a design has no curve.
    """
    none = None, np.empty(0)
    if normalise_dose(typed, loaded.schema).isna().all(axis=None):
        return none
    column = number_column(loaded.forecaster, "dose")
    published = published_values(loaded.corpus, loaded.effects, column, typed)
    try:
        curve = sweep(loaded.forecaster, typed, "dose", published)
    except FaultyInput:
        return none
    low, high = curve["value"].iloc[0], curve["value"].iloc[-1]
    return curve, published[(published >= low) & (published <= high)]
