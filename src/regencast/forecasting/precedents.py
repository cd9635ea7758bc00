"""The published studies nearest to a design: what agrees, what differs, what they found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, Field, split_labels
from regencast.effects import Effects
from regencast.training import Forecaster

NEAREST = 5
#: A number agrees within this factor.
CLOSE = 1.5


def precedents(
    forecaster: Forecaster,
    corpus: Corpus,
    effects: Effects,
    designs: pd.DataFrame,
    names: list[str],
) -> pd.DataFrame:
    """Return the five nearest studies of each design, nearest in the model's terms.

    Parameters
    ----------
    forecaster : Forecaster
    corpus : Corpus
        The one that it learned from.
    effects : Effects
    designs : pandas.DataFrame, n rows
        Typed.
    names : list of str
        A label for each design.

    Returns
    -------
    pandas.DataFrame
        One row per design and study: design, place, study, contrast, distance (1 at the border of
        sparse support), agrees, differs, found (g or direction), doi, source_url.
    """
    known = np.flatnonzero(effects.informative)
    encoder = forecaster.blend.encoder
    apart, studies = forecaster.support.distances(encoder.transform(designs))
    fields = [f for f in corpus.schema.design if f.role in ("factor", "dose_value")]
    rows = []
    for place, name in enumerate(names):
        design = designs.iloc[place]
        own = forecaster.support.places(encoder.transform(designs.iloc[[place]]))[0]
        for rank, which in enumerate(np.argsort(apart[place], kind="stable")[:NEAREST], start=1):
            inside = np.flatnonzero(corpus.studies[known].astype(str) == studies[which])
            gaps = np.abs(forecaster.support.points[inside] - own).sum(axis=1)
            row = int(known[inside[np.argmin(gaps)]])
            contrast = corpus.frame.iloc[row]
            agrees, differs = _compare(design, contrast, fields)
            rows.append(
                {
                    "design": name,
                    "place": rank,
                    "study": studies[which],
                    "contrast": corpus.contrasts[row],
                    "distance": round(float(apart[place, which] / forecaster.support.unit), 3),
                    "agrees": "; ".join(agrees),
                    "differs": "; ".join(differs),
                    "found": found_text(effects, corpus, row),
                    "doi": contrast.get("doi"),
                    "source_url": contrast.get("source_url"),
                }
            )
    return pd.DataFrame(rows)


def _compare(
    design: pd.Series, contrast: pd.Series, fields: list[Field]
) -> tuple[list[str], list[str]]:
    agrees: list[str] = []
    differs: list[str] = []
    for field in fields:
        mine, theirs = design.get(field.name), contrast.get(field.name)
        if pd.isna(mine) or pd.isna(theirs):
            continue
        if field.type == "number":
            same = max(mine, theirs) <= CLOSE * min(mine, theirs)
        elif field.kind == "labels":
            same = set(split_labels(mine)) == set(split_labels(theirs))
        else:
            same = str(mine) == str(theirs)
        text = f"{theirs:g}" if field.type == "number" else str(theirs)
        (agrees if same else differs).append(f"{field.name} {text}")
    return agrees, differs


def found_text(effects: Effects, corpus: Corpus, row: int) -> str:
    """Return what a contrast found, in words: g with its kind of evidence, or a direction.

    Where the reported spread can be read in several ways, the range of g follows the direction.
    """
    if np.isfinite(effects.point[row]):
        return f"g {effects.point[row]:.2f} ({effects.kind[row]})"
    told = [corpus.role(role).iloc[row] for role in ("direction", "significance")]
    words = [str(word).replace("_", " ") for word in told if not pd.isna(word)]
    words = ["significance not stated" if word == "not stated" else word for word in words]
    if effects.kind[row] == "bounded":
        # Adding zero turns a rounded -0.0 into 0.0.
        low, high = (round(float(x[row]), 2) + 0.0 for x in (effects.lower, effects.upper))
        words.append(f"g {low:.2f} to {high:.2f}")
    return ", ".join(words)
