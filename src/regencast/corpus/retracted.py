"""Papers that have been retracted, after the table of Retraction Watch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus.papers import paper_keys
from regencast.corpus.tables import read_text_table
from regencast.errors import Fault, FaultyInput, fail

#: Where a table of contrasts or pooled estimates, and the table of Retraction Watch, name a paper.
PAPERS = {"doi": "OriginalPaperDOI", "pmid": "OriginalPaperPubMedID"}
#: What decides of a paper, in rising order for notices of one day; a correction leaves it standing.
DECISIONS = ("Expression of concern", "Reinstatement", "Retraction")
#: What the table writes where it knows no PMID.
UNKNOWN = "0"


def read_retracted(path: Path) -> dict[str, set[str]]:
    """Read which papers are retracted, by the latest notice of each.

    Parameters
    ----------
    path : Path
        The CSV file of Retraction Watch as Crossref gives it out: RetractionDate (month/day/year,
        or year-month-day), RetractionNature, OriginalPaperDOI, OriginalPaperPubMedID.

    Returns
    -------
    dict
        Under ``doi`` and ``pmid`` the identifiers of retracted papers, DOIs in lower case.

    Raises
    ------
    FaultyInput
        If the file is missing, no CSV, has other columns or rows that cannot be read.
    """
    table, faults = read_text_table(path, ("RetractionDate", "RetractionNature", *PAPERS.values()))
    absent = [fault for fault in faults if fault.problem == "the column is missing"]
    if absent:
        raise fail(path, f"the column {absent[0].column} is missing",
                   "Name the CSV file of Retraction Watch")  # fmt: skip
    if faults:
        raise FaultyInput(faults)
    table = table[table["RetractionNature"].isin(DECISIONS)]
    table = table.assign(
        day=_days(table["RetractionDate"], path),
        rank=table["RetractionNature"].map(DECISIONS.index),
    ).sort_values(["day", "rank"], na_position="first", kind="stable")
    retracted = {}
    for name, column in PAPERS.items():
        paper = paper_keys(table[column], name)
        latest = table.loc[paper.index].assign(paper=paper).drop_duplicates("paper", keep="last")
        papers = latest.loc[latest["RetractionNature"] == "Retraction", "paper"]
        retracted[name] = set(papers) - {UNKNOWN}
    return retracted


def _days(dates: pd.Series, path: Path) -> pd.Series:
    """Return the days of notices; one that cannot be read would put them in a wrong order."""
    texts = dates.str.split().str[0]
    days = pd.to_datetime(texts, format="%m/%d/%Y", errors="coerce")
    days = days.fillna(pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce"))
    unread = dates.index[days.isna() & texts.notna()]
    if len(unread):
        raise FaultyInput([
            Fault(str(path), "it is no date", "Write month/day/year or year-month-day",
                  int(row), "RetractionDate", dates[row]) for row in unread
        ])  # fmt: skip
    return days


def names_papers(frame: pd.DataFrame) -> list[str]:
    """Return the columns by which a table names papers; empty where nothing could be told."""
    return [name for name in PAPERS if name in frame]


def count_unnamed(frame: pd.DataFrame, studies: np.ndarray) -> int:
    """Return how many studies name no paper in any row, so that nothing can be told of them."""
    named = pd.Series(False, index=frame.index)
    for name in names_papers(frame):
        named[paper_keys(frame[name], name).index] = True
    return int((~named.groupby(studies).any()).sum())


def retraction_faults(
    frame: pd.DataFrame, file: str, retracted: dict[str, set[str]]
) -> list[Fault]:
    """Tell the rows whose paper is retracted.

    Parameters
    ----------
    frame : pandas.DataFrame
        Contrasts or pooled estimates, indexed by spreadsheet row; papers stand under ``doi`` and
        ``pmid``.
    file : str
    retracted : dict
        As `read_retracted` gives it.

    Returns
    -------
    list of Fault
        One for each row, at its DOI if that is retracted, else at its PMID.
    """
    told: dict[int, Fault] = {}
    for name in names_papers(frame):
        keys = paper_keys(frame[name], name)
        for row in keys.index[keys.isin(retracted[name])]:
            told.setdefault(int(row), Fault(
                file, "the paper is retracted",
                "Drop the row, or read the fact in another paper",
                int(row), name, str(frame[name][row])))  # fmt: skip
    return [told[row] for row in sorted(told)]
