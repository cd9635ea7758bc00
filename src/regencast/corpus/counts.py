"""How many studies stand behind a level, or a pair of levels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.corpus.package import Corpus

#: Levels of a pair that are counted apart; the others are counted together.
MOST = 14
REST = "(all others)"


def label_counts(corpus: Corpus, column: str, labels: tuple[tuple[str, ...], ...]) -> pd.Series:
    """Return the number of studies with each label of a column, commonest first.

    Parameters
    ----------
    corpus : Corpus
    column : str
    labels : tuple of tuple of str
        The labels of each contrast.
    """
    pairs = {
        (label, study)
        for study, found in zip(corpus.studies.astype(str), labels, strict=True)
        for label in found
    }
    counts = pd.Series([label for label, _ in sorted(pairs)], dtype=object).value_counts()
    order = np.lexsort((counts.index.astype(str), -counts.to_numpy()))
    return counts.iloc[order].rename(column)


def pair_counts(corpus: Corpus, rows: str, columns: str) -> pd.DataFrame:
    """Return the number of studies for each pair of levels, commonest first, the rest together."""
    frame = pd.DataFrame(
        {
            "row": corpus.frame[rows].fillna("not reported"),
            "column": corpus.frame[columns].fillna("not reported"),
            "study": corpus.studies,
        }
    )
    for name in ("row", "column"):
        known = frame.groupby(name)["study"].nunique().sort_values(ascending=False, kind="stable")
        kept = set(known.index[:MOST])
        frame[name] = frame[name].where(frame[name].isin(kept), REST)
    counts = frame.groupby(["row", "column"])["study"].nunique().unstack(fill_value=0)
    order = [counts.sum(axis=axis).sort_values(ascending=False).index for axis in (1, 0)]
    return counts.loc[order[0], order[1]]
