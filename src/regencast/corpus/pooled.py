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
    for name in (name for name in NUMBERS if name in frame):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = frame.index[frame[name].notna() & ~np.isfinite(numbers)]
        faults += [
            Fault(file, "it is not a number", "Write a plain number", int(r), name, frame[name][r])
            for r in bad
        ]
        frame[name] = numbers.astype(float)
    for row, name in frame["pooled_id"][frame["pooled_id"].duplicated()].items():
        faults.append(
            Fault(file, "the identifier stands twice", "Rename one", int(row), "pooled_id", name)
        )
    outside = (frame["estimate"] < frame["ci_low"]) | (frame["estimate"] > frame["ci_high"])
    for row in frame.index[outside]:
        faults.append(
            Fault(
                file,
                "the estimate lies outside its own interval",
                "Read the source again",
                int(row),
                "estimate",
                f"{frame['estimate'][row]:g}",
            )
        )
    for row in frame.index[~frame["outcome_better"].isin(["higher", "lower"])]:
        faults.append(
            Fault(
                file,
                "it must be higher or lower",
                "Say which direction is better",
                int(row),
                "outcome_better",
                str(frame["outcome_better"][row]),
            )
        )
    return frame, faults
