"""One study as its page tells it: its reports with their contrasts, and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regencast.app.evidence import observed, source_link
from regencast.corpus import Corpus
from regencast.effects import Effects


@dataclass(frozen=True)
class Report:
    """One publication of a study; reports of the same animals are one study.

    Attributes
    ----------
    title : str
    link : str
        Its web address; empty where there is none.
    told : list of tuple
        References that it has for itself: column and value.
    rows : list of dict
        Its contrasts, None where a field is empty.
    observed : list of str
        What each contrast found.
    """

    title: str
    link: str
    told: list[tuple[str, Any]]
    rows: list[dict[str, Any]]
    observed: list[str]


@dataclass(frozen=True)
class Study:
    """A study: its reports, the columns that differ between contrasts, and what they share."""

    reports: list[Report]
    varied: list[str]
    shared: list[tuple[str, Any]]


def tell_study(corpus: Corpus, effects: Effects, name: str) -> Study | None:
    """Return what the page says of a study; None where the corpus has no such study."""
    rows = np.flatnonzero(corpus.studies.astype(str) == name)
    if not len(rows):
        return None
    frame = corpus.frame.iloc[rows]
    titles = frame["title"].fillna(name) if "title" in frame else pd.Series(name, frame.index)
    parts = list(frame.groupby(titles, sort=False).indices.items())
    told = [f.name for f in corpus.schema.fields if frame[f.name].notna().any()]
    references = {f.name for f in corpus.schema.fields if f.role == "reference"}
    same = [column for column in told if _constant(frame[column])]
    own = [
        column
        for column in told
        if column in references - set(same)
        and all(_constant(frame[column].iloc[part]) for _, part in parts)
    ]
    reports = []
    for title, part in parts:
        here = frame.iloc[part]
        first = here.iloc[0]
        reports.append(
            Report(
                title=str(title),
                link=source_link(first.to_dict()),
                told=[(c, first[c]) for c in own if c != "title" and pd.notna(first[c])],
                rows=here.astype(object).where(here.notna(), None).to_dict("records"),
                observed=observed(corpus.take(rows[part]), effects.take(rows[part])),
            )
        )
    varied = [column for column in told if column not in same and column not in own]
    return Study(reports, varied, [(column, frame[column].iloc[0]) for column in same])


def _constant(values: pd.Series) -> bool:
    return bool(values.nunique(dropna=False) == 1)
