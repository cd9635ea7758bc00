"""SHAP plots at the level of design factors."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.effects import regeneration_score
from regencast.forecasting import factor_shapley
from regencast.training import Forecaster

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
TOP = 15


def readable(name: str) -> str:
    """Return a column's name as a scientist writes it.

    Examples
    --------
    >>> readable("ev_source")
    'EV source'
    """
    words = name.replace("_", " ").strip()
    words = words[:1].upper() + words[1:]
    return words.replace("Ev ", "EV ")


def explain(
    forecaster: Forecaster, corpus: Corpus, designs: pd.DataFrame, folder: Path
) -> list[Path]:
    """Write importance table, bar, beeswarm and a waterfall of the first design.

    Returns
    -------
    list of Path
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = factor_shapley(forecaster, corpus.frame).values
    importance = values.abs().mean().sort_values(ascending=False)
    table = folder / "importance.csv"
    importance.rename("mean_abs_shap_g").to_csv(table, index_label="factor")
    files = [table, _bar(importance, folder), _beeswarm(values, importance, folder)]
    return [*files, _waterfall(forecaster, designs, folder)]


def _bar(importance: pd.Series, folder: Path) -> Path:
    top = importance[:TOP][::-1]
    figure, axis = plt.subplots(figsize=(7, 0.35 * len(top) + 1.4), layout="constrained")
    axis.barh([readable(n) for n in top.index], top.to_numpy(), color=BLUE)
    axis.set_xlabel("Mean |SHAP value| (Hedges' g)")
    axis.set_title("Which design factors move the forecast", loc="left")
    return _save(figure, folder / "shap_bar.png")


def _beeswarm(values: pd.DataFrame, importance: pd.Series, folder: Path) -> Path:
    top = list(importance.index[:TOP])[::-1]
    rng = np.random.default_rng(0)
    figure, axis = plt.subplots(figsize=(7, 0.42 * len(top) + 1.4), layout="constrained")
    for height, name in enumerate(top):
        x = values[name].to_numpy()
        axis.scatter(
            x,
            height + rng.uniform(-0.28, 0.28, len(x)),
            s=6,
            alpha=0.5,
            linewidths=0,
            color=np.where(x >= 0, BLUE, ORANGE),
        )
    axis.axvline(0, color=GREY, lw=0.8)
    axis.set_yticks(range(len(top)), [readable(n) for n in top])
    axis.set_xlabel("SHAP value (Hedges' g): left lowers, right raises the forecast")
    axis.set_title("Each dot is one published contrast", loc="left")
    return _save(figure, folder / "shap_beeswarm.png")


def _waterfall(forecaster: Forecaster, designs: pd.DataFrame, folder: Path) -> Path:
    """Draw how the forecast of one design is reached, in g, with the scores at both ends."""
    found = factor_shapley(forecaster, designs.iloc[:1])
    row, base = found.values.iloc[0], found.base
    order = row.abs().sort_values(ascending=False).index
    steps = row[order[:9]]
    rest = row.sum() - steps.sum()
    steps = pd.concat([steps, pd.Series({"all other factors": rest})])
    ends = base[0] + steps.cumsum().to_numpy()
    starts = np.concatenate([[base[0]], ends[:-1]])
    figure, axis = plt.subplots(figsize=(7, 0.42 * len(steps) + 1.6), layout="constrained")
    place = np.arange(len(steps))[::-1]
    axis.barh(place, ends - starts, left=starts, color=np.where(steps >= 0, BLUE, ORANGE))
    for y, end, step in zip(place, np.maximum(starts, ends), steps, strict=True):
        axis.annotate(f"{step:+.2f}", (end, y), (4, 0), textcoords="offset points", va="center")
    axis.set_yticks(place, [readable(n) for n in steps.index])
    axis.margins(x=0.15)
    first, last = regeneration_score([base[0], ends[-1]])
    axis.set_xlabel("Forecast effect (Hedges' g)")
    axis.set_title(
        f"From score {first:.0f} (average design) to {last:.0f} (this design)", loc="left"
    )
    return _save(figure, folder / "shap_waterfall.png")


def _save(figure: plt.Figure, path: Path) -> Path:
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path
