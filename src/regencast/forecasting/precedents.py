"""The published studies nearest to a design: what agrees, what differs, what they found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, Schema, split_labels
from regencast.corpus.schema import DOSE_ROLES
from regencast.designs import normalise_dose
from regencast.designs.dose import UNITS
from regencast.effects import Effects
from regencast.forecasting.unknown import open_factors, stated_features
from regencast.training import Forecaster, contrast_order

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
    # The training points lie in the order in which the model learned from the contrasts.
    order = contrast_order(corpus)
    known = order[effects.informative[order]]
    X = forecaster.blend.encoder.transform(designs)
    stated = stated_features(forecaster, open_factors(forecaster, designs))
    apart, studies = forecaster.support.distances(X, stated)
    rows = []
    for place, name in enumerate(names):
        design = designs.iloc[place]
        support = forecaster.support.stating(stated[place])
        own = support.places(X[[place]])[0]
        for rank, which in enumerate(np.argsort(apart[place], kind="stable")[:NEAREST], start=1):
            inside = np.flatnonzero(corpus.studies[known].astype(str) == studies[which])
            gaps = np.abs(support.points[inside] - own).sum(axis=1)
            row = int(known[inside[np.argmin(gaps)]])
            contrast = corpus.frame.iloc[row]
            agrees, differs = _compare(design, contrast, corpus.schema)
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


def _compare(design: pd.Series, contrast: pd.Series, schema: Schema) -> tuple[list[str], list[str]]:
    agrees: list[str] = []
    differs: list[str] = []
    for field in schema.design:
        mine, theirs = design.get(field.name), contrast.get(field.name)
        if field.role not in ("factor", "dose_value") or pd.isna(mine) or pd.isna(theirs):
            continue
        if field.role == "dose_value":
            same, text = _compare_doses(design, contrast, schema)
        elif field.type == "number":
            same, text = _close(mine, theirs), f"{theirs:g}"
        elif field.kind == "labels":
            same, text = set(split_labels(mine)) == set(split_labels(theirs)), str(theirs)
        else:
            same, text = str(mine) == str(theirs), str(theirs)
        (agrees if same else differs).append(f"{field.name} {text}")
    return agrees, differs


def _close(mine: float, theirs: float) -> bool:
    return max(mine, theirs) <= CLOSE * min(mine, theirs)


def _compare_doses(design: pd.Series, contrast: pd.Series, schema: Schema) -> tuple[bool, str]:
    """Return whether two doses agree, and the contrast's in words."""
    columns = {role: schema.column(role) for role in DOSE_ROLES}
    value, unit, volume = (contrast.get(columns[role]) for role in DOSE_ROLES)
    text = f"{value:g}" if pd.isna(unit) else f"{value:g} {unit}"
    if UNITS.get(str(unit), ("", False))[1] and not pd.isna(volume):
        text += f" in {volume:g} ul"
    names = [name for name in columns.values() if name]
    doses = normalise_dose(pd.DataFrame([design[names], contrast[names]]), schema)
    shared = doses.dropna(axis=1)
    if shared.empty:
        return False, f"{text} (not comparable)"
    return _close(*shared.iloc[:, 0]), text


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
