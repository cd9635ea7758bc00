"""Evidence beside the model: head-to-head, signs of bias, the map of what was studied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, pair_counts
from regencast.corpus.schema import PLAIN
from regencast.effects import Effects
from regencast.explaining.bias import draw_funnel, egger_table
from regencast.explaining.evidence import compare_with_pools, draw_map, draw_pools
from regencast.explaining.forest import draw_forest
from regencast.explaining.headtohead import (
    compare_within_studies,
    pool_comparisons,
    sentence_on_sign,
)
from regencast.training import Forecaster

#: Comparisons that get a forest plot: those with the most studies.
FORESTS = 8
MIN_FUNNEL = 10


def write_evidence(
    forecaster: Forecaster,
    corpus: Corpus,
    effects: Effects,
    shap: pd.DataFrame,
    by: str,
    folder: Path,
) -> list[Path]:
    """Write tables and plots of head-to-head evidence, bias, and the map of the corpus.

    Parameters
    ----------
    forecaster : Forecaster
    corpus : Corpus
    effects : Effects
    shap : pandas.DataFrame, shape (n_contrasts, n_factors)
        Shapley values of the corpus, to say where the two disagree.
    by : str
        The category whose levels are judged apart (the tissue); may be empty.
    folder : Path

    Returns
    -------
    list of Path
    """
    files = _head_to_head(corpus, effects, shap, folder)
    egger = egger_table(corpus, effects, by)
    files.append(folder / "egger.csv")
    egger.to_csv(files[-1], index=False)
    if effects.measured.sum() >= MIN_FUNNEL:
        files.append(draw_funnel(effects, folder / "funnel.png"))
    categories = [f for f in corpus.schema.design if f.kind == "category" and not f.compares]
    if len(categories) > 1:
        pair = _map_columns([f.name for f in categories], corpus)
        files.append(draw_map(pair_counts(corpus, *pair), *pair, folder / "map.png"))
    pools = compare_with_pools(forecaster, corpus, effects, by)
    if len(pools):
        files.append(folder / "pools.csv")
        pools.to_csv(files[-1], index=False)
        files.append(draw_pools(pools, folder / "pools.png"))
    return files


def _map_columns(names: list[str], corpus: Corpus) -> tuple[str, str]:
    """Return source and model where the corpus has them, else the two most varied categories."""
    if {"ev_source", "model"} <= set(names):
        return "ev_source", "model"
    varied = sorted(names, key=lambda name: -corpus.frame[name].nunique())
    return varied[1], varied[0]


def _head_to_head(corpus: Corpus, effects: Effects, shap: pd.DataFrame, folder: Path) -> list[Path]:
    comparisons = compare_within_studies(corpus, effects)
    pooled = pool_comparisons(comparisons)
    path = folder / "headtohead.csv"
    if pooled.empty:
        pooled.to_csv(path, index=False)
        return [path]
    pooled["disagreement"] = [
        sentence_on_sign(row, _shap_of(row, corpus, shap)) for _, row in pooled.iterrows()
    ]
    pooled = pooled.sort_values(["k", "factor", "level"], ascending=[False, True, True])
    pooled.to_csv(path, index=False)
    files = [path]
    names = _study_names(corpus)
    for place, (_, row) in enumerate(pooled.head(FORESTS).iterrows(), start=1):
        key = (row["factor"], row["level"], row["against"])
        own = [one for one in comparisons if (one.factor, one.level, one.against) == key]
        files.append(draw_forest(own, row, names, folder / f"forest_{place}.png"))
    return files


def _shap_of(row: pd.Series, corpus: Corpus, shap: pd.DataFrame) -> float:
    """Return the mean Shapley value of the level's rows less that of what it is compared with.

    A comparator that is no level of the factor itself stands for the plain group of labels (an
    unmodified EV), and for every other level of a category (another source).
    """
    field = next(f for f in corpus.schema.design if f.factor == row["factor"])
    levels = [field.levels(cell) for cell in corpus.frame[field.name]]
    rows = _with(levels, row["level"])
    others = _with(levels, row["against"])
    if not others.any() and field.kind == "labels":
        others = _with(levels, PLAIN)
    elif not others.any():
        others = ~rows & ~_with(levels, PLAIN) & np.array([bool(cell) for cell in levels])
    if row["factor"] not in shap or not rows.any() or not others.any():
        return float("nan")
    values = shap[row["factor"]].to_numpy()
    return float(values[rows].mean() - values[others].mean())


def _with(levels: list[tuple[str, ...]], level: str) -> np.ndarray:
    """Return which rows have a level, as a label among others or as the whole of several."""
    return np.array([level in cell or level == "+".join(cell) for cell in levels], dtype=bool)


def _study_names(corpus: Corpus) -> dict[str, str]:
    """Return author and year of each study where the corpus gives them, else its identifier."""
    frame = corpus.frame
    if not {"first_author", "year"} <= set(frame):
        return {}
    first = frame.assign(study=corpus.studies.astype(str)).groupby("study").first()
    known = first["first_author"].notna() & first["year"].notna()
    return {
        str(study): f"{row['first_author']} {float(row['year']):.0f}"
        for study, row in first[known].iterrows()
        if np.isfinite(float(row["year"]))
    }
