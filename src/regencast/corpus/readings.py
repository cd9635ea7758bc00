"""The state of each study's second reading, which a data package carries beside its contrasts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from regencast.corpus.tables import read_text_table
from regencast.errors import Fault

COLUMNS = ("study_id", "second_reading")
#: What a second reading found: the row borne out, put right, its source not found again, or none.
STATES = ("confirmed", "corrected", "not_found", "not_yet")


def read_readings(
    path: Path, studies: Collection[str] | None
) -> tuple[pd.Series | None, list[Fault]]:
    """Read and check a table of second readings.

    Parameters
    ----------
    path : Path
        A CSV file: study_id and second_reading, one of `STATES`; more columns are the curators'.
    studies : collection of str or None
        The studies of the contrasts; None where they are not known for faults of their own.

    Returns
    -------
    states : pandas.Series or None
        By study, what its second reading found; None where the file has not these columns.
    faults : list of Fault
        A state that is none, a study told twice, one that no contrast has, one left out.
    """
    table, faults = read_text_table(path, COLUMNS)
    file = str(path)
    if faults:
        return None, faults
    study, state = table["study_id"], table["second_reading"]
    checks = [
        (study.duplicated(), study, "the study stands twice", "Keep one row"),
        (~state.isin(STATES), state, "it is no state of a reading", f"Use {', '.join(STATES)}"),
    ]
    if studies is not None:
        checks.append((~study.isin(studies), study, "no contrast is of this study",
                       "Correct it or drop the row"))  # fmt: skip
    for found, column, problem, remedy in checks:
        faults += [
            Fault(file, problem, remedy, int(row), str(column.name), cell)
            for row, cell in column[found].items()
        ]
    faults += [
        Fault(file, "the study has no row", "Add one (not_yet, if it was read once)",
              column="study_id", value=one)
        for one in sorted(set(studies or ()) - set(study))
    ]  # fmt: skip
    return pd.Series(state.to_numpy(), study.to_numpy(), dtype=object), faults
