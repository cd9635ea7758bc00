"""Forest plots of head-to-head comparisons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.explaining.headtohead import Comparison
from regencast.explaining.style import BLUE, GREY, ORANGE, new_figure, save
from regencast.words import readable, readable_level

Z95 = 1.959963984540054
#: Length of the arrow of a study that gives a direction alone, in g.
ARROW = 0.8
#: Comparisons that one picture holds; of more, ones over the whole range are drawn.
MOST_STUDIES = 40


def draw_forest(
    comparisons: list[Comparison], pooled: pd.Series, names: dict[str, str], path: Path
) -> Path:
    """Draw one comparison's studies and their pool.

    Parameters
    ----------
    comparisons : list of Comparison
        Of one factor, level and comparator.
    pooled : pandas.Series
        Their row of `pool_comparisons`.
    names : dict
        From study identifiers to names as read.
    path : Path
    """
    ordered = sorted(comparisons, key=_order)
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_STUDIES)).round().astype(int)
    shown = [ordered[place] for place in places]
    figure, axis = new_figure(7.5, 0.34 * (len(shown) + 2) + 1.6)
    for y, one in enumerate(reversed(shown), start=1):
        _draw_study(axis, one, y)
    if np.isfinite(pooled["g"]):
        low, g, high = pooled["low95"], pooled["g"], pooled["high95"]
        axis.fill([low, g, high, g], [0, 0.3, 0, -0.3], color=ORANGE)
    labels = [names.get(one.study, one.study) for one in reversed(shown)]
    told = f"{pooled['k_better']} of {pooled['k']} studies better, {pooled['k_worse']} worse"
    if len(shown) < len(ordered):
        told += f"; {len(shown)} of {len(ordered)} comparisons drawn"
    pool = _pool_told(pooled)
    axis.set_yticks(range(len(shown) + 1), [pool, *(readable_level(n, 34) for n in labels)])
    axis.set_ylim(-0.8, len(shown) + 0.8)
    axis.axvline(0, color=GREY, lw=0.8)
    axis.margins(x=0.08)
    axis.set_xlabel("Difference in Hedges' g (arrow: direction alone); right favours the first")
    level, against = readable_level(pooled["level"]), readable_level(pooled["against"])
    axis.set_title(f"{readable(pooled['factor'])}: {level} against {against}\n{told}",
                   loc="left", fontsize=10)  # fmt: skip
    return save(figure, path)


def _pool_told(pooled: pd.Series) -> str:
    if np.isfinite(pooled["g"]):
        return f"Pooled g {pooled['g']:.2f}"
    return f"No pool: {'one study with numbers' if pooled['k_measured'] else 'directions alone'}"


def _order(one: Comparison) -> tuple[bool, float]:
    return (not np.isfinite(one.effect), -one.effect if np.isfinite(one.effect) else -one.lower)


def _draw_study(axis, one: Comparison, y: int) -> None:
    if np.isfinite(one.effect):
        reach = Z95 * np.sqrt(one.variance)
        axis.plot([one.effect - reach, one.effect + reach], [y, y], color=BLUE, lw=1.5)
        axis.plot(one.effect, y, "s", color=BLUE, ms=6)
        return
    if one.lower < 0 < one.upper:
        low, high = max(one.lower, -ARROW), min(one.upper, ARROW)
        axis.plot([low, high], [y, y], color=GREY, lw=1.5, ls=":")
        return
    start = one.lower if one.lower >= 0 else one.upper
    end = start + (ARROW if one.lower >= 0 else -ARROW)
    # An annotation does not widen the axis, an invisible line does.
    axis.plot([start, end], [y, y], alpha=0)
    arrow = {"arrowstyle": "->", "color": BLUE, "lw": 1.5}
    axis.annotate("", (end, y), (start, y), arrowprops=arrow)
