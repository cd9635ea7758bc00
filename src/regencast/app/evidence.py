"""The corpus to look through: filters and the map of what was studied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from regencast.app.forms import LONGEST, parameter
from regencast.corpus import Corpus, Field
from regencast.effects import Effects
from regencast.forecasting import found_text

PAGE = 50
#: Columns of the map, and of the table, where the corpus has them.
MAP = ("ev_source", "model")
SHOWN = ("tissue", "model", "species", "ev_source", "preconditioning", "engineering", "scaffold",
         "comparator", "outcome")  # fmt: skip
FILTERS = ("tissue", "model", "ev_source", "preconditioning", "engineering", "species",
           "comparator", "direction")  # fmt: skip
MISSING = "not reported"


@dataclass(frozen=True)
class Filter:
    """What is asked of the corpus: a text anywhere in a row, and levels of columns."""

    text: str
    levels: dict[str, str]

    @property
    def query(self) -> str:
        """The filter as a query."""
        levels = {parameter(name): level for name, level in self.levels.items()}
        return urlencode({**({"q": self.text} if self.text else {}), **levels})


def filter_of(args: Mapping[str, str], corpus: Corpus) -> Filter:
    """Return the filter that a query gives."""
    given = {name: args.get(parameter(name), "")[:LONGEST] for name in filter_columns(corpus)}
    levels = {name: level for name, level in given.items() if level}
    return Filter(args.get("q", "").strip()[:LONGEST], levels)


def filter_columns(corpus: Corpus) -> list[str]:
    """Return the columns that can be filtered: the usual ones, else the first categories."""
    known = [name for name in FILTERS if name in corpus.frame]
    names = [f.name for f in corpus.schema.design if f.kind in ("category", "labels")]
    return known if len(known) > 2 else names[: len(FILTERS)]


def shown_columns(corpus: Corpus) -> list[str]:
    """Return the design columns of the table."""
    known = [name for name in SHOWN if name in corpus.frame]
    names = [f.name for f in corpus.schema.design if f.kind in ("category", "labels")]
    return known if len(known) > 2 else names[: len(SHOWN)]


def matching(corpus: Corpus, wanted: Filter) -> np.ndarray:
    """Return which contrasts match, shape (n,)."""
    frame = corpus.frame
    found = np.full(len(frame), True)
    for name, level in wanted.levels.items():
        if level == MISSING:
            found &= frame[name].isna().to_numpy()
        else:
            field = _field(corpus, name)
            found &= [level in field.levels(value) for value in frame[name]]
    if wanted.text:
        words = [word.replace("_", " ") for word in wanted.text.casefold().split()]
        texts = frame.astype(object).where(frame.notna(), "").astype(str)
        texts = texts.agg(" ".join, axis=1).str.casefold().str.replace("_", " ")
        for word in words:
            found &= texts.str.contains(word, regex=False).to_numpy()
    return found


def levels_of(corpus: Corpus, name: str) -> list[str]:
    """Return the levels of a column, in order."""
    field = _field(corpus, name)
    return sorted({level for value in corpus.frame[name] for level in field.levels(value)})


def _field(corpus: Corpus, name: str) -> Field:
    return next(field for field in corpus.schema.fields if field.name == name)


def observed(corpus: Corpus, effects: Effects) -> list[str]:
    """Return what each contrast found, in words."""
    return [found_text(effects, corpus, row) for row in range(len(corpus))]


def source_link(row: Mapping[str, Any]) -> str:
    """Return the web address of a study: its DOI's, else where it was read; empty if neither.

    Examples
    --------
    >>> source_link({"doi": "10.1000/xyz", "source_url": None})
    'https://doi.org/10.1000/xyz'
    >>> source_link({"doi": None, "source_url": "javascript:alert(1)"})
    ''
    """
    doi, address = row.get("doi"), row.get("source_url")
    if isinstance(doi, str) and doi.startswith("10."):
        return f"https://doi.org/{doi}"
    if isinstance(address, str) and address.startswith(("https://", "http://")):
        return address
    return ""
