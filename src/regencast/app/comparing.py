"""Several designs side by side: what differs, and whether the difference is beyond the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from regencast.app.forms import table_of
from regencast.app.models import Loaded
from regencast.app.shared import told
from regencast.errors import FaultyInput
from regencast.forecasting import average_unknown, score_designs
from regencast.words import readable, readable_level

MOST = 6
#: A difference is called beyond the noise when one design's true effect is above the other's with
#: at least this chance.
SURE = 0.9
#: Below it the chance is shown as 50 in 100: neither is higher.
EVEN = 0.505


@dataclass(frozen=True)
class Comparison:
    """Designs side by side.

    Attributes
    ----------
    rows : list of dict
        As `score_designs` gives them, None for what is missing; a fault in the words of the form.
    differs : list of (str, list of str)
        Each field in which they differ, and its value in each design.
    chances : list of float
        Chance that a new study of each design has a larger true effect than one of the first;
        NaN for the first and for faulty ones.
    """

    rows: list[dict[str, Any]]
    differs: list[tuple[str, list[str]]]
    chances: list[float]

    def sentence(self, place: int) -> str:
        """Return what the difference of a design from the first is worth."""
        chance = self.chances[place]
        if not np.isfinite(chance):
            return ""
        better = max(chance, 1 - chance)
        if better < EVEN:
            return "no difference is forecast"
        side = "higher" if chance > 0.5 else "lower"
        noise = "within" if better < SURE else "beyond"
        pairs = f"in {100 * better:.0f} of 100 pairs of new studies"
        return f"{noise} the noise: {pairs} its true effect is {side} than design 1's"


def compare_designs(loaded: Loaded, designs: list[dict[str, str]]) -> Comparison:
    """Forecast designs and compare each with the first.

    The chance that one true effect is above another takes the two as independent normals with the
    spread that new studies of each design have: ``Phi(difference / sqrt(sd1^2 + sd2^2))``.

    Parameters
    ----------
    loaded : Loaded
    designs : list of dict
        Two to six.
    """
    forecaster = loaded.forecaster
    frame = table_of(designs)
    typed, faults = loaded.read(frame)
    scored = score_designs(forecaster, loaded.known(frame), "design")
    for row in {fault.row for fault in faults}:
        scored.at[row, "fault"] = told(FaultyInput([f for f in faults if f.row == row]))
    good = scored.index[scored["fault"].isna()]
    mean, sd = (pd.Series(np.nan, scored.index) for _ in range(2))
    if len(good):
        found = average_unknown(forecaster, typed.loc[good])
        mean[good], sd[good] = found["predicted"], found["true_sd"]
    apart = (mean - mean.iloc[0]) / np.hypot(sd, sd.iloc[0])
    chances = [float("nan"), *(float(norm.cdf(x)) for x in apart.iloc[1:])]
    rows = scored.astype(object).where(scored.notna(), None).to_dict("records")
    columns = [field.name for field in loaded.corpus.schema.design]
    differs = []
    for name in columns:
        values = [design.get(name, "") for design in designs]
        if len(set(values)) > 1:
            shown = [readable_level(value, 40) if value else "left open" for value in values]
            differs.append((readable(name), shown))
    return Comparison([{str(k): v for k, v in row.items()} for row in rows], differs, chances)
