"""Other spellings of levels that a data package carries beside its contrasts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from regencast.corpus.schema import Schema
from regencast.corpus.tables import read_text_table
from regencast.corpus.vocabulary import Vocabulary
from regencast.errors import Fault

COLUMNS = ("column", "written", "level")


def normal(text: object) -> str:
    """Return a text without case, spaces, hyphens and underscores, micro signs as u.

    Examples
    --------
    >>> normal("hUC-MSC"), normal("1 % O2"), normal("\u00b5g / mL")
    ('hucmsc', '1%o2', 'ug/ml')
    """
    folded = str(text).casefold().replace("\u00b5", "u").replace("\u03bc", "u")
    return re.sub(r"[\s_\-]+", "", folded)


def read_synonyms(
    path: Path,
    schema: Schema,
    used: Mapping[str, Collection[str]] | None,
    vocabulary: Vocabulary,
) -> tuple[dict[str, dict[str, str]], list[Fault]]:
    """Read and check a table of spellings.

    Parameters
    ----------
    path : Path
        A CSV file: column (of the contrasts), written, level.
    schema : Schema
    used : mapping or None
        By column, the levels that the contrasts use; None where they are not known for faults of
        their own.
    vocabulary : dict
        Whose levels may be meant too.

    Returns
    -------
    synonyms : dict
        By column, from what is written to the level that is meant.
    faults : list of Fault
        A column that is none of a design, a level that does not exist, a spelling of two levels
        (as `normal` compares it) or one that is itself another level.
    """
    table, faults = read_text_table(path, COLUMNS)
    file = str(path)
    if faults:
        return {}, faults
    known = {field.name: field for field in schema.design}
    synonyms: dict[str, dict[str, str]] = {}
    said: dict[tuple[str, str], str] = {}
    for row, (column, written, level) in table[list(COLUMNS)].iterrows():
        if column not in known or not written or not level:
            faults.append(
                Fault(file, "it names no design column, or a cell is empty",
                      "Write column, spelling and level", int(row), "column", str(column))
            )  # fmt: skip
            continue
        own = used[column] if used is not None else ()
        levels = set(known[column].levels(level))
        if used is not None and not levels <= {*own, *vocabulary.get(column, ())}:
            faults.append(
                Fault(file, "no contrast has the level, nor does the vocabulary",
                      "Correct it, or take the spelling out", int(row), "level", str(level))
            )  # fmt: skip
            continue
        # Which level a design gets must not hang on the order of rows.
        meant = written if written in own else said.setdefault((column, normal(written)), level)
        if meant != level:
            faults.append(
                Fault(file, f"the spelling already means {meant}",
                      "Keep one of the two", int(row), "written", str(written))
            )  # fmt: skip
            continue
        synonyms.setdefault(column, {})[written] = level
    return synonyms, faults
