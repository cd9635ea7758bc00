"""What the forecast makes of each level or dose of one factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, Field, split_labels
from regencast.explaining.style import BLUE, GREY, PALE, new_figure, save
from regencast.words import readable, readable_level

#: Fewer studies than this are thin ground, drawn pale.
THIN = 5
LEVELS = 14
BINS = 8


def level_table(field: Field, corpus: Corpus, values: pd.Series) -> pd.DataFrame:
    """Return the factor's Shapley values by level of one of its columns.

    Parameters
    ----------
    field : Field
        A category or labels column.
    corpus : Corpus
    values : pandas.Series, shape (n_contrasts,)
        Shapley values of the factor, in g.

    Returns
    -------
    pandas.DataFrame
        One row per level, best supported first: level, contrasts, studies, mean, low, high (5 %
        and 95 % quantile over contrasts), thin.
    """
    cells = corpus.frame[field.name]
    if field.kind == "labels":
        parts = [split_labels(cell) or ["not reported"] for cell in cells]
    else:
        parts = [
            [str(cell)] if cell is not None and cell == cell else ["not reported"] for cell in cells
        ]
    rows = pd.DataFrame(
        {"level": parts, "value": values.to_numpy(), "study": corpus.studies}
    ).explode("level")
    grouped = rows.groupby("level")
    table = pd.DataFrame(
        {
            "contrasts": grouped.size(),
            "studies": grouped["study"].nunique(),
            "mean": grouped["value"].mean(),
            "low": grouped["value"].quantile(0.05),
            "high": grouped["value"].quantile(0.95),
        }
    ).reset_index()
    table["thin"] = table["studies"] < THIN
    return table.sort_values(["studies", "level"], ascending=[False, True], ignore_index=True)


def draw_levels(table: pd.DataFrame, factor: str, path: Path) -> Path:
    """Draw the levels of a factor, best supported ones, with the number of studies on each."""
    top = table.iloc[:LEVELS].sort_values("mean")
    figure, axis = new_figure(7, 0.36 * len(top) + 1.6)
    for y, row in enumerate(top.itertuples()):
        colour = PALE if row.thin else BLUE
        axis.plot([row.low, row.high], [y, y], color=colour, lw=3, alpha=0.6)
        axis.plot(row.mean, y, "o", color=colour, ms=7)
    labels = [f"{readable_level(r.level)}  ({r.studies})" for r in top.itertuples()]
    axis.set_yticks(range(len(top)), labels)
    axis.axvline(0, color=GREY, lw=0.8)
    axis.set_xlabel("SHAP value (Hedges' g); in brackets the number of studies")
    title = f"{readable(factor)}: mean and 90 % of contrasts\n(pale: fewer than {THIN} studies)"
    axis.set_title(title, loc="left", fontsize=10)
    return save(figure, path)


def draw_number(
    amounts: np.ndarray, values: np.ndarray, studies: np.ndarray, label: str, path: Path, log: bool
) -> Path:
    """Draw a number's Shapley values with a band over bins of equal counts and its values as ticks.

    Parameters
    ----------
    amounts, values : ndarray, shape (n,)
        The number (NaN where not reported) and the factor's Shapley values, in g.
    studies : ndarray, shape (n,)
    label : str
        Of the axis.
    path : Path
    log : bool
        Whether the axis is logarithmic.
    """
    known = np.isfinite(amounts) & ((amounts > 0) | (not log))
    x, y = amounts[known], values[known]
    figure, axis = new_figure(7, 4.2)
    axis.scatter(x, y, s=9, color=PALE, linewidths=0, zorder=1)
    bins = pd.qcut(x, min(BINS, max(len(np.unique(x)) - 1, 1)), duplicates="drop", labels=False)
    table = pd.DataFrame({"bin": bins, "x": x, "y": y}).groupby("bin")
    centre = table["x"].median()
    low, middle, high = (table["y"].quantile(q) for q in (0.05, 0.5, 0.95))
    axis.fill_between(centre, low, high, color=BLUE, alpha=0.2, lw=0)
    axis.plot(centre, middle, "o-", color=BLUE)
    axis.axhline(0, color=GREY, lw=0.8)
    if log:
        axis.set_xscale("log")
    axis.plot(x, np.full(len(x), 0.0), "|", color="black", ms=6, alpha=0.4,
              transform=axis.get_xaxis_transform())  # fmt: skip
    axis.set_xlabel(
        f"{label}; ticks: {len(x)} contrasts of {len(np.unique(studies[known]))} studies"
    )
    axis.set_ylabel("SHAP value (Hedges' g)")
    axis.set_title(
        "Median and 90 % of the contrasts in bins of equal size", loc="left", fontsize=10
    )
    return save(figure, path)
