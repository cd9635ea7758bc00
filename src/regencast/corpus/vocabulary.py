"""What the levels of a corpus mean, and the class that each belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regencast.corpus.schema import Schema
from regencast.corpus.tables import read_text_table
from regencast.errors import Fault

COLUMNS = ("column", "level", "definition", "parent")


@dataclass(frozen=True)
class Meaning:
    """One line on a level, and its parent class (empty where it has none)."""

    definition: str
    parent: str


#: By column, from level or class to its meaning.
Vocabulary = dict[str, dict[str, Meaning]]


def read_vocabulary(path: Path, schema: Schema) -> tuple[Vocabulary, list[Fault]]:
    """Read and check a vocabulary.

    Parameters
    ----------
    path : Path
        A CSV file: column (of the contrasts), level, definition, parent.
    schema : Schema

    Returns
    -------
    vocabulary : dict
        By column, from level or class to its `Meaning`.
    faults : list of Fault
    """
    table, faults = read_text_table(path, COLUMNS)
    file = str(path)
    if faults:
        return {}, faults
    known = {field.name for field in schema.design}
    found: Vocabulary = {}
    for row, cells in table[list(COLUMNS)].iterrows():
        column, level, definition, parent = (cell or "" for cell in cells)
        meanings = found.setdefault(column, {})
        if column not in known or not level or level in meanings:
            faults.append(
                Fault(file, "it names no design column, no level, or a level for the second time",
                      "Write each level of a design column once", int(row), "level", level)
            )  # fmt: skip
            continue
        meanings[level] = Meaning(definition, parent)
    for column, meanings in found.items():
        for level in meanings:
            if len(ancestors(level, meanings)) > len(meanings):
                faults.append(Fault(file, "it is its own ancestor", "Name another parent",
                                    column=column, value=level))  # fmt: skip
    return found, faults


def ancestors(level: str, meanings: dict[str, Meaning]) -> tuple[str, ...]:
    """Return the classes of a level, nearest first.

    Examples
    --------
    >>> told = {"BMSC": Meaning("", "adult MSC"), "adult MSC": Meaning("", "MSC")}
    >>> ancestors("BMSC", told)
    ('adult MSC', 'MSC')
    """
    found: list[str] = []
    # A circle of parents would never end: its length gives it away to the reader.
    while len(found) <= len(meanings):
        above = meanings.get(found[-1] if found else level)
        if above is None or not above.parent:
            break
        found.append(above.parent)
    return tuple(found)
