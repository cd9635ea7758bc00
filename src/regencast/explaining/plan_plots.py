"""Pictures of a plan: power and assurance against group size, and a sweep over a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.explaining.style import BLUE, GREY, ORANGE, PALE, new_figure, save
from regencast.forecasting.animals import assurance, with_attrition
from regencast.forecasting.plan import Wish
from regencast.words import readable, readable_level

#: Animals per group that a picture shows at least.
LARGEST = 40
#: Sizes of group along a curve.
POINTS = 60


def draw_power(
    effect: float,
    spread: float,
    wish: Wish,
    animals: tuple[int | None, int | None],
    title: str,
    path: Path,
) -> Path:
    """Draw power at the forecast effect and assurance over its distribution against group size.

    Parameters
    ----------
    effect, spread : float
        Mean and standard deviation of the true effect, in g.
    wish : Wish
        The levels that are asked for; the groups are those that a study starts with.
    animals : tuple
        Animals per group for the power and for the assurance as `plan_designs` gives them; None
        where there is no such number.
    title : str
    path : Path
    """
    largest = max([LARGEST, *(1.15 * count for count in animals if count)])
    kept = np.unique(np.geomspace(2, largest * (1 - wish.attrition), POINTS).astype(int))
    started = np.array([with_attrition(int(n), wish.attrition) for n in kept], dtype=float)
    figure, axis = new_figure(6.5, 4.4)
    # A sure effect's assurance is its power to show benefit.
    for sd, wanted, count, colour, name in (
        (0.0, wish.power, animals[0], BLUE, "power, if the forecast were exact"),
        (spread, wish.assurance, animals[1], ORANGE, "assurance, over what the effect may be"),
    ):
        chance = [assurance(effect, sd, int(n), wish.alpha) for n in kept]
        told = f"{count} animals for {wanted:g}" if count else f"{wanted:g} is not reached"
        axis.plot(started, chance, color=colour, label=f"{name}: {told}")
        axis.axhline(wanted, color=colour, lw=0.8, ls="--")
        if count:
            axis.plot([count, count], [0, wanted], color=colour, lw=0.8, ls="--")
    lost = f", of which {100 * wish.attrition:.0f} % will be lost" if wish.attrition else ""
    axis.set_ylim(0, 1.02)
    axis.set_xlim(0, None)
    axis.set_xlabel(f"Animals per group{lost}")
    axis.set_ylabel("Chance of a significant benefit")
    axis.legend(frameon=False, loc="lower right", fontsize=9)
    axis.set_title(title, loc="left", fontsize=10)
    return save(figure, path)


def draw_sweep(table: pd.DataFrame, factor: str, published: np.ndarray, path: Path) -> Path:
    """Draw a sweep with its 90 % band and the corpus's values as ticks.

    Parameters
    ----------
    table : pandas.DataFrame
        As `sweep` returns it.
    factor : str
    published : ndarray
        As `published_values` gives them.
    path : Path
    """
    figure, axis = new_figure(6.8, 4.4)
    value = table["value"]
    axis.fill_between(value, table["score_low"], table["score_high"], color=PALE, lw=0,
                      label="90 % interval of a new study")  # fmt: skip
    axis.plot(value, table["score"], color=BLUE, label="score")
    axis.plot(value, table["baseline_score"], color=GREY, lw=1, ls="--", label="baseline")
    known = published[np.isfinite(published)]
    inside = known[(known >= value.min()) & (known <= value.max())]
    axis.plot(inside, np.zeros(len(inside)), "|", color="black", ms=12, alpha=0.5,
              label=f"{len(inside)} published contrasts")  # fmt: skip
    if value.max() > 10 * value.min():
        axis.set_xscale("log")
    axis.axhline(50, color=GREY, lw=0.8)
    axis.set_ylim(0, 100)
    unit = table["unit"].iloc[0]
    axis.set_xlabel(f"{readable(factor)} ({readable_level(unit)})" if unit else readable(factor))
    axis.set_ylabel("Regeneration score (50: no benefit)")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return save(figure, path)
