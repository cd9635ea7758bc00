"""The designs that a run shows: the example proposals where they fit the corpus, else its own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from regencast.corpus import Corpus
from regencast.forecasting import check_designs, design_names, read_designs
from regencast.training import Forecaster

EXAMPLE = Path("data/proposals/example.csv")
#: Contrasts that are shown where no proposals fit.
PUBLISHED = 5


class Shown(NamedTuple):
    """Typed designs, a label for each, and what they are."""

    designs: pd.DataFrame
    names: list[str]
    title: str


def shown_designs(forecaster: Forecaster, corpus: Corpus) -> Shown:
    """Return the example proposals if they are of the corpus's field, else its first contrasts.

    Parameters
    ----------
    forecaster : Forecaster
    corpus : Corpus
        The one that it learned from.
    """
    encoder, schema = forecaster.blend.encoder, corpus.schema
    columns = [field.name for field in schema.design]
    if EXAMPLE.is_file():
        given = read_designs(EXAMPLE)
        typed, faults = check_designs(given, encoder, str(EXAMPLE))
        # Corpora of other fields share a species or group sizes; one column names the proposals.
        foreign = [name for name in given if schema.field(str(name)) is None]
        if not faults and len(foreign) <= 1 and set(given) & set(columns):
            return Shown(typed, design_names(given, encoder), "Proposed designs")
    first = corpus.frame.iloc[:PUBLISHED]
    return Shown(first[columns], list(first[schema.contrast]), "Published designs")
