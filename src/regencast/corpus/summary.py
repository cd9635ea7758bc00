"""What a corpus holds and what it lacks, counted by contrast and by study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regencast.corpus.package import Corpus
from regencast.corpus.retracted import count_unnamed, names_papers
from regencast.corpus.schema import PLAIN, Field
from regencast.corpus.vocabulary import ancestors

#: Roles of which any one gives a contrast a number.
NUMBERS = ("mean_treated", "ratio", "smd")
#: What a cell says whose source does not.
UNSTATED = "not_stated"


def summarise(corpus: Corpus) -> dict[str, Any]:
    """Count what a corpus holds.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    dict
        Plain data, for JSON. ``filled_percent`` is the share of contrasts, and
        ``filled_percent_studies`` of studies, whose cell says something (``not_stated`` does not).
        ``variation`` has no line of what the columns cannot tell: directions of a corpus that
        states none, modifications where no comparator varies labels. ``other_than_none`` counts, by
        factor that can be ``none``, contrasts with another level. ``factors`` and ``classes`` count
        the contrasts of each level and of each class of the vocabulary, ``factors_studies`` and
        ``classes_studies`` their studies.
    """
    levels = {field.name: _levels(corpus, field) for field in corpus.schema.design
              if field.type == "string"}  # fmt: skip
    classes = {name: _classes(corpus, name, cells) for name, cells in levels.items()}
    classes = {name: cells for name, cells in classes.items() if any(cells)}
    counts: dict[str, Any] = {
        "contrasts": len(corpus),
        "studies": len(set(corpus.studies)),
        "digest": corpus.digest,
        "direction": _by_value(corpus.role("direction").dropna()),
        "variation": _variation(corpus),
        "other_than_none": {
            name: sum(bool(set(cell) - {PLAIN}) for cell in cells)
            for name, cells in levels.items() if any(PLAIN in cell for cell in cells)
        },
        **_beside(corpus),
        "filled_percent": _filled(corpus, by_study=False),
        "filled_percent_studies": _filled(corpus, by_study=True),
    }  # fmt: skip
    for name, cells in (("classes", classes), ("factors", levels)):
        counts[name] = {one: _by_value(_pairs(corpus, of)[0]) for one, of in cells.items()}
        counts[f"{name}_studies"] = {
            one: _by_value(_pairs(corpus, of).drop_duplicates()[0]) for one, of in cells.items()
        }
    return counts


def _levels(corpus: Corpus, field: Field) -> list[tuple[str, ...]]:
    return [field.levels(cell) for cell in corpus.frame[field.name]]


def _classes(corpus: Corpus, name: str, cells: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the classes of each contrast's levels, each once."""
    meanings = corpus.vocabulary.get(name, {})
    above = {level: ancestors(level, meanings) for level in {one for cell in cells for one in cell}}
    return [tuple(dict.fromkeys(up for level in cell for up in above[level])) for cell in cells]


def _pairs(corpus: Corpus, cells: list[tuple[str, ...]]) -> pd.DataFrame:
    """Return one row for each label of a contrast, with its study."""
    rows = [(label, study) for cell, study in zip(cells, corpus.studies, strict=True)
            for label in cell]  # fmt: skip
    return pd.DataFrame(rows, columns=[0, 1], dtype=object)


def _by_value(values: pd.Series) -> dict[str, int]:
    counts = values.astype(str).value_counts()
    order = np.lexsort((counts.index, -counts.to_numpy()))
    return {str(counts.index[place]): int(counts.iloc[place]) for place in order}


def _variation(corpus: Corpus) -> dict[str, int]:
    """Count the contrasts from which more than benefit can be learned."""
    direction, numbers = corpus.role("direction"), [corpus.role(role) for role in NUMBERS]
    stated, not_better = direction.notna(), direction.notna() & direction.ne("better")
    modified = _modified(corpus)
    counts: dict[str, int] = {}
    if stated.any():
        counts["stating a direction"] = int(stated.sum())
        counts["of these null, mixed or negative"] = int(not_better.sum())
    if modified is not None:
        counts["modified against unmodified"] = int(modified.sum())
    if stated.any() and modified is not None:
        counts["null, mixed, negative or modified"] = int((not_better | modified).sum())
    if any(corpus.schema.column(role) for role in NUMBERS):
        told = pd.concat([one.notna() for one in numbers], axis=1).any(axis=1)
        counts["with means, a ratio or an SMD"] = int(told.sum())
    return counts


def _modified(corpus: Corpus) -> pd.Series | None:
    """Return which contrasts vary labels; None where no comparator of the schema does."""
    labels = {field.name for field in corpus.schema.fields if field.kind == "labels"}
    found = [
        corpus.frame[field.name].eq(level)
        for field in corpus.schema.fields
        for level, varied in (field.compares or {}).items()
        if labels & set(varied)
    ]
    return pd.concat(found, axis=1).any(axis=1) if found else None


def _beside(corpus: Corpus) -> dict[str, Any]:
    """Count what lies beside the contrasts, where it does."""
    counts: dict[str, Any] = {}
    if corpus.readings is not None:
        counts["second_reading"] = _by_value(corpus.readings)
    if corpus.pooled is not None:
        counts["pooled_estimates"] = len(corpus.pooled)
    if corpus.vocabulary:
        meanings = [one for levels in corpus.vocabulary.values() for one in levels.values()]
        counts["vocabulary"] = {
            "levels and classes": len(meanings),
            "defined": sum(bool(one.definition) for one in meanings),
        }
    return counts


def _filled(corpus: Corpus, by_study: bool) -> dict[str, float]:
    """Return the share of contrasts, or of studies by any of their contrasts, that say something.

    Of studies only what is told of the whole study: the columns of references.
    """
    told = corpus.frame.notna() & corpus.frame.ne(UNSTATED)
    if not by_study:
        return {name: round(100 * float(told[name].mean()), 1) for name in told}
    names = [field.name for field in corpus.schema.fields if field.role == "reference"]
    shares = {name: float(told[name].groupby(corpus.studies).any().mean()) for name in names}
    if len(papers := names_papers(corpus.frame)) > 1:
        unnamed = count_unnamed(corpus.frame, corpus.studies)
        shares[" or ".join(papers)] = 1 - unnamed / len(set(corpus.studies))
    return {name: round(100 * share, 1) for name, share in shares.items()}
