"""Published pooled estimates that a data package carries beside its contrasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus.tables import read_text_table
from regencast.errors import Fault

#: What every pooled estimate states, and which of it is a number.
REQUIRED = (
    "pooled_id",
    "comparator",
    "outcome_better",
    "measure",
    "estimate",
    "ci_low",
    "ci_high",
)
NUMBERS = ("estimate", "ci_low", "ci_high", "k_studies", "n_animals", "i2", "year")


def read_pooled(path: Path) -> tuple[pd.DataFrame, list[Fault]]:
    """Read and check a table of pooled estimates.

    Parameters
    ----------
    path : Path
        A CSV file: pooled_id, comparator, outcome_better (``higher`` or ``lower``), measure
        (as ``SMD``), estimate, ci_low, ci_high; k_studies, doi, source_url and levels of factors
        where they are known.

    Returns
    -------
    frame : pandas.DataFrame
        Numbers as float, text with None where empty; the index is the row of the file.
    faults : list of Fault
    """
    text, faults = read_text_table(path, REQUIRED)
    file = str(path)
    if faults:
        return text, faults
    frame = text.replace("", None).astype(object)

    def tell(wrong: pd.Series, column: str, problem: str, remedy: str) -> None:
        faults.extend(
            Fault(file, problem, remedy, int(row), column, text[column][row] or None)
            for row in frame.index[wrong]
        )

    for name in (name for name in NUMBERS if name in frame):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = frame[name].notna() & ~np.isfinite(numbers)
        tell(bad, name, "it is not a number", "Write a plain number")
        frame[name] = numbers.astype(float)
    tell(frame["pooled_id"].duplicated(), "pooled_id", "the identifier stands twice", "Rename one")
    tell(text["estimate"] == "", "estimate", "the estimate is empty", "Enter it, or drop the row")
    outside = (frame["estimate"] < frame["ci_low"]) | (frame["estimate"] > frame["ci_high"])
    tell(outside, "estimate", "the estimate lies outside its own interval", "Read the source again")
    if "k_studies" in frame:
        remedy = "Enter how many studies were pooled, or leave it empty"
        tell(frame["k_studies"] < 1, "k_studies", "it must be at least 1", remedy)
    sideless = ~frame["outcome_better"].isin(["higher", "lower"])
    tell(sideless, "outcome_better", "it must be higher or lower", "Say which direction is better")
    return frame, faults
