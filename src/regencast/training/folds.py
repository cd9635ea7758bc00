"""Folds in which a study never stands on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.corpus.tables import read_text_table
from regencast.errors import Fault, FaultyInput, fail


def study_folds(studies: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Deal whole studies to folds of about equal size.

    Parameters
    ----------
    studies : ndarray, shape (n,)
    n_folds : int
        At most the number of studies is used.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)
        Fold of each row, from 0.

    Examples
    --------
    >>> study_folds(np.array(["a", "a", "b"]), 2, 0).tolist()
    [0, 0, 1]
    """
    names, sizes = np.unique(studies.astype(str), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    # The largest first, each to the emptiest fold; chance breaks ties.
    order = order[np.argsort(-sizes[order], kind="stable")]
    load = np.zeros(min(n_folds, len(names)))
    fold = np.empty(len(names), dtype=int)
    for place in order:
        fold[place] = int(np.argmin(load))
        load[fold[place]] += sizes[place]
    return fold[np.searchsorted(names, studies.astype(str))]


def read_folds(path: Path, corpus: Corpus) -> np.ndarray:
    """Read given folds.

    Parameters
    ----------
    path : Path
        CSV with the columns ``contrast_id`` and ``fold``.
    corpus : Corpus

    Returns
    -------
    ndarray of str, shape (n_contrasts,)

    Raises
    ------
    FaultyInput
        If a contrast has no fold, two folds, or its study stands in two folds.
    """
    table, faults = read_text_table(path)
    for column in ("contrast_id", "fold"):
        if column not in table:
            raise fail(
                path, "the column is missing", "It needs contrast_id and fold", row=1, column=column
            )
    twice = table["contrast_id"].duplicated()
    faults += [
        Fault(str(path), "the contrast stands twice", "Keep one", int(row), "contrast_id", value)
        for row, value in table["contrast_id"][twice].items()
    ]
    given = table[~twice].set_index("contrast_id")["fold"].replace("", None)
    fold = pd.Series(corpus.contrasts.astype(str)).map(given)
    faults += [
        Fault(str(path), "the contrast has no fold", "Add a row for it", None, "contrast_id", name)
        for name in corpus.contrasts[fold.isna().to_numpy()]
    ]
    split = fold.groupby(corpus.studies.astype(str)).nunique()
    faults += [
        Fault(
            str(path),
            "the study stands in two folds",
            "Put all its contrasts in one",
            None,
            "fold",
            str(study),
        )
        for study in split.index[split > 1]
    ]
    if faults:
        raise FaultyInput(faults)
    return fold.to_numpy(dtype=object)
