"""Pictures of a plan: power and assurance against group size, and a sweep over a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.explaining.style import BLUE, GREY, ORANGE, PALE, new_figure, save
from regencast.forecasting.animals import assurance, power
from regencast.words import readable

LARGEST = 40


def draw_power(
    effect: float, spread: float, wanted: float, alpha: float, title: str, path: Path
) -> Path:
    """Draw power at the forecast effect and assurance over its distribution against group size.

    Parameters
    ----------
    effect, spread : float
        Mean and standard deviation of the true effect, in g.
    wanted : float
        The level that is asked for.
    alpha : float
        Two-sided.
    title : str
    path : Path
    """
    sizes = range(2, LARGEST + 1)
    figure, axis = new_figure(6.5, 4.4)
    axis.plot(sizes, [float(power(effect, n, alpha)) for n in sizes], color=BLUE,
              label="power, if the forecast were exact")  # fmt: skip
    axis.plot(sizes, [assurance(effect, spread, n, alpha) for n in sizes], color=ORANGE,
              label="assurance: averaged over what the effect may be")  # fmt: skip
    axis.axhline(wanted, color=GREY, lw=0.8, ls="--")
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("Animals per group")
    axis.set_ylabel("Chance of a significant result")
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
        The corpus's values.
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
    axis.set_xlabel(readable(factor))
    axis.set_ylabel("Regeneration score (50: no benefit)")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return save(figure, path)
