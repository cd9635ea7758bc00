"""SHAP figures at the level of design factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.effects import regeneration_score
from regencast.explaining.style import BLUE, GREY, ORANGE, PALE, YELLOW, new_figure, save
from regencast.forecasting import Reasons, score_steps
from regencast.words import readable, readable_level

TOP = 15
#: A level met in fewer studies is not named on the beeswarm.
NAMED_STUDIES = 5


def draw_bar(table: pd.DataFrame, path: Path) -> Path:
    """Draw importance with its interval and the mark of shuffled effects.

    Parameters
    ----------
    table : pandas.DataFrame
        As `Importance.table`; without interval columns only the bars are drawn.
    path : Path
    """
    top = table.iloc[:TOP].iloc[::-1]
    figure, axis = new_figure(7, 0.38 * len(top) + 1.8)
    place = np.arange(len(top))
    size = top["mean_abs_shap_g"].to_numpy()
    if "low_g" not in top:
        axis.barh(place, size, color=BLUE, height=0.62)
    else:
        colours = np.where(top["beyond_noise"], BLUE, PALE)
        axis.barh(place, size, color=colours, height=0.62)
        spread = np.array([size - top["low_g"], top["high_g"] - size])
        axis.errorbar(size, place, xerr=spread, fmt="none", ecolor="black", elinewidth=1, capsize=3)
        axis.scatter(top["shuffled_g"], place, marker="|", s=170, color=ORANGE, zorder=3, lw=2)
        axis.scatter(
            [], [], marker="|", s=120, color=ORANGE, lw=2, label="shuffled effects (noise)"
        )
        axis.errorbar([], [], xerr=[], fmt="none", ecolor="black", label="90 % interval")
        axis.legend(loc="lower right", frameon=False, fontsize=9)
    axis.set_yticks(place, [readable(name) for name in top["factor"]])
    axis.set_xlabel("Mean |SHAP value| (Hedges' g)")
    title = "Which design factors move the forecast"
    if "low_g" in top:
        title += "\n(pale: not told from noise)"
    axis.set_title(title, loc="left", fontsize=11)
    return save(figure, path)


def draw_beeswarm(
    values: pd.DataFrame, order: list[str], designs: pd.DataFrame, studies: np.ndarray, path: Path
) -> Path:
    """Draw each contrast's Shapley values, with the lowest and highest level of a factor named.

    Parameters
    ----------
    values : pandas.DataFrame, shape (n, n_factors)
    order : list of str
        Factors, most important first.
    designs : pandas.DataFrame, n rows
        With a column for each factor that is a category.
    studies : ndarray, shape (n,)
    path : Path
    """
    top = order[:TOP][::-1]
    rng = np.random.default_rng(0)
    figure, axis = new_figure(7.5, 0.62 * len(top) + 1.4)
    for height, name in enumerate(top):
        x = values[name].to_numpy()
        axis.scatter(
            x,
            height + rng.uniform(-0.2, 0.2, len(x)),
            s=6,
            alpha=0.45,
            linewidths=0,
            color=np.where(x >= 0, BLUE, ORANGE),
        )
        for level, mean in _ends(values[name], designs, studies).items():
            side = "left" if mean < 0 else "right"
            axis.text(mean, height + 0.3, level, ha="center", va="bottom", fontsize=7,
                      color=ORANGE if side == "left" else BLUE)  # fmt: skip
    axis.axvline(0, color=GREY, lw=0.8)
    axis.set_yticks(range(len(top)), [readable(name) for name in top])
    axis.set_ylim(-0.6, len(top) - 0.2)
    axis.margins(x=0.12)
    axis.set_xlabel("SHAP value (Hedges' g): left lowers, right raises the forecast")
    axis.set_title("Each dot is one published contrast; the outermost levels are named",
                   loc="left", fontsize=11)  # fmt: skip
    return save(figure, path)


def _ends(values: pd.Series, designs: pd.DataFrame, studies: np.ndarray) -> dict[str, float]:
    """Return the levels with the lowest and the highest mean, where enough studies show them."""
    if values.name not in designs or designs[values.name].dtype.kind == "f":
        return {}
    level = designs[values.name].map(readable_level).to_numpy()
    table = pd.DataFrame({"level": level, "value": values.to_numpy(), "study": studies})
    means = table.groupby("level").agg(value=("value", "mean"), k=("study", "nunique"))
    means = means[means["k"] >= NAMED_STUDIES]["value"]
    if len(means) < 2:
        return {}
    return {str(means.idxmin()): float(means.min()), str(means.idxmax()): float(means.max())}


def draw_waterfall(reasons: Reasons, path: Path) -> Path:
    """Draw how the score of one design is reached, factor by factor, in score points.

    The steps are taken in the order of their size, so that they add up exactly to the score.

    Parameters
    ----------
    reasons : Reasons
    path : Path
    """
    steps = score_steps(reasons)
    ends = float(regeneration_score(reasons.base)) + steps.cumsum().to_numpy()
    starts = ends - steps.to_numpy()
    figure, axis = new_figure(7.5, 0.42 * len(steps) + 2.0)
    place = np.arange(len(steps))[::-1]
    axis.barh(place, steps, left=starts, height=0.62, color=np.where(steps >= 0, BLUE, ORANGE))
    for y, end, step in zip(place, np.maximum(starts, ends), steps, strict=True):
        axis.annotate(f"{step:+.1f}", (end, y), (4, 0), textcoords="offset points", va="center")
    told = [reasons.said.get(name) for name in steps.index]
    names = [readable(name) for name in steps.index]
    axis.set_yticks(place, [f"{n}: {t}" if t else n for n, t in zip(names, told, strict=True)])
    level = float(regeneration_score(reasons.baseline))
    axis.axvline(level, color=GREY, lw=1, ls="--")
    axis.text(level, len(steps) - 0.35, "baseline", color=GREY, ha="center", fontsize=8)
    axis.set_ylim(-0.6, len(steps) + 0.1)
    # A bar's start is no edge of the picture: without this the lowest one looks cut off.
    axis.use_sticky_edges = False
    axis.margins(x=0.15)
    axis.set_xlabel("Regeneration score (50: no benefit, 100: every treated animal does better)")
    first, last = starts[0], ends[-1]
    axis.set_title(
        f"From {first:.0f}, the average design, to {last:.0f}, this design", loc="left", fontsize=11
    )
    return save(figure, path)


def draw_scores(scored: pd.DataFrame, names: list[str], path: Path) -> Path:
    """Draw scored designs with their 90 % intervals on the scale of the score.

    Parameters
    ----------
    scored : pandas.DataFrame
        As `score_designs` returns it; rows with a fault are left out.
    names : list of str
        A label for each row.
    path : Path
    """
    good = scored["score"].notna().to_numpy()
    rows = scored[good].iloc[::-1]
    labels = [readable_level(name, 40) for name, kept in zip(names, good, strict=True) if kept][
        ::-1
    ]
    figure, axis = new_figure(8, 0.45 * len(rows) + 1.7)
    colours = {"supported": BLUE, "sparse": YELLOW, "extrapolating": ORANGE}
    score, low, high = (rows[c].to_numpy(float) for c in ("score", "score_low", "score_high"))
    for y, (_, row) in enumerate(rows.iterrows()):
        colour = colours[row["support"]]
        axis.plot([low[y], high[y]], [y, y], color=colour, lw=3, solid_capstyle="round", alpha=0.6)
        axis.plot(score[y], y, "o", color=colour, ms=8)
        axis.plot(float(row["baseline_score"]), y, "|", color="black", ms=14)
    for kind, colour in colours.items():
        axis.plot([], [], "o-", color=colour, label=kind)
    axis.plot([], [], "|", color="black", ms=10, ls="none", label="baseline")
    axis.axvline(50, color=GREY, lw=0.8)
    axis.set_yticks(range(len(rows)), labels)
    axis.set_xlim(0, 100)
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel("Regeneration score with 90 % interval for a new study (50: no benefit)")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return save(figure, path)
