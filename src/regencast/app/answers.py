"""What the page says of one design: score, support, reasons, animals, precedents, dose curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regencast.app.evidence import source_link
from regencast.app.forms import table_of
from regencast.app.models import Loaded
from regencast.effects import regeneration_score
from regencast.errors import FaultyInput
from regencast.forecasting import (
    check_designs,
    explain_design,
    precedents,
    score_steps,
    understand,
)
from regencast.forecasting.plan import plan_designs
from regencast.forecasting.sweep import sweep
from regencast.words import readable

SUPPORT = {
    "supported": "Published studies lie close to this design.",
    "sparse": "Few published studies are like this design: the interval is wider than usual.",
    "extrapolating": "No published study is like this design: take the number as a guess.",
}


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
        Published doses in the design's unit.
    meant : dict
        The design in the corpus's own words.
    """

    row: dict[str, Any]
    steps: tuple[Step, ...]
    start: float
    nearest: list[dict[str, Any]]
    curve: pd.DataFrame | None
    doses: np.ndarray
    meant: dict[str, Any]

    @property
    def support(self) -> str:
        """What the class of support means."""
        return SUPPORT[self.row["support"]]


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
        If a field is not understood.
    """
    forecaster = loaded.forecaster
    frame = table_of([design])
    meant, _ = understand(frame, forecaster.blend.encoder, forecaster.synonyms)
    typed, faults = check_designs(meant, forecaster.blend.encoder, "design")
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
    return Answer(told, steps, start, nearest, curve, doses, dict(typed.iloc[0].dropna()))


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
    """Return the score over the published doses in the design's unit, and these doses."""
    schema = loaded.corpus.schema
    value, unit = schema.column("dose_value"), schema.column("dose_unit")
    none = None, np.empty(0)
    if not value or pd.isna(typed[value].iloc[0]):
        return none
    rows = loaded.corpus.frame
    if unit:
        rows = rows[rows[unit] == typed[unit].iloc[0]]
    published = rows[value].to_numpy(dtype=float)
    try:
        return sweep(loaded.forecaster, typed, "dose", published), published
    except FaultyInput:
        return none
