"""Other spellings of levels that a data package carries beside its contrasts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from regencast.corpus.schema import Schema
from regencast.corpus.tables import read_text_table
from regencast.errors import Fault

COLUMNS = ("column", "written", "level")


def read_synonyms(
    path: Path, schema: Schema, levels: Mapping[str, Collection[str]] | None
) -> tuple[dict[str, dict[str, str]], list[Fault]]:
    """Read and check a table of spellings.

    Parameters
    ----------
    path : Path
        A CSV file: column (of the contrasts), written, level.
    schema : Schema
    levels : mapping or None
        By column, the levels that the contrasts use or the vocabulary defines; None where they
        are not known for faults of their own.

    Returns
    -------
    synonyms : dict
        By column, from what is written to the level that is meant.
    faults : list of Fault
    """
    table, faults = read_text_table(path, COLUMNS)
    file = str(path)
    if faults:
        return {}, faults
    known = {field.name: field for field in schema.design}
    synonyms: dict[str, dict[str, str]] = {}
    for row, (column, written, level) in table[list(COLUMNS)].iterrows():
        if column not in known or not written or not level:
            faults.append(
                Fault(file, "it names no design column, or a cell is empty",
                      "Write column, spelling and level", int(row), "column", str(column))
            )  # fmt: skip
            continue
        if levels is not None and not set(known[column].levels(level)) <= set(levels[column]):
            faults.append(
                Fault(file, "no contrast has the level, nor does the vocabulary",
                      "Correct it, or take the spelling out", int(row), "level", str(level))
            )  # fmt: skip
            continue
        synonyms.setdefault(column, {})[written] = level
    return synonyms, faults
