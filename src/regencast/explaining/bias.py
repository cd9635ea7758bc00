"""Signs of small-study effects: Egger's regression and the funnel plot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

from regencast.corpus import Corpus
from regencast.effects import Effects
from regencast.explaining.style import BLUE, GREY, new_figure, save

#: Fewer measured contrasts cannot carry Egger's regression (Sterne and others 2011, BMJ 343:d4002).
MIN_ROWS = 10


def egger_test(g: np.ndarray, variance: np.ndarray) -> dict[str, float]:
    """Return Egger's regression of g / se on 1 / se.

    Egger and others 1997, BMJ 315:629-634; metafor's ``regtest(model="lm")``.

    Parameters
    ----------
    g, variance : ndarray, shape (k,)

    Returns
    -------
    dict
        k, intercept (0 without small-study effects; positive where small studies report more), its
        standard error, and the two-sided p of the t-test on k - 2 degrees of freedom.
    """
    se = np.sqrt(variance)
    fit = sm.OLS(g / se, sm.add_constant(1 / se)).fit()
    return {
        "k": float(len(g)),
        "intercept": float(fit.params[0]),
        "se": float(fit.bse[0]),
        "p": float(fit.pvalues[0]),
    }


def egger_table(corpus: Corpus, effects: Effects, by: str) -> pd.DataFrame:
    """Return Egger's regression over all measured rows, and by level where there are ten or more.

    Parameters
    ----------
    corpus : Corpus
    effects : Effects
    by : str
        A category's column; empty for all rows together.

    Returns
    -------
    pandas.DataFrame
        One row per group: group, k, intercept, se, p; empty with fewer than ten measured rows.
    """
    parts = {"all": effects.measured}
    if by:
        parts |= {
            str(level): effects.measured & (corpus.frame[by] == level).to_numpy()
            for level in corpus.frame[by].dropna().unique()
        }
    found = [
        {"group": name, **egger_test(effects.point[rows], effects.variance[rows])}
        for name, rows in parts.items()
        if rows.sum() >= MIN_ROWS
    ]
    return pd.DataFrame(found, columns=["group", "k", "intercept", "se", "p"])


def draw_funnel(effects: Effects, path: Path) -> Path:
    """Draw measured effects against standard errors, with the lines of p = 0.05 about zero."""
    rows = effects.measured
    g, se = effects.point[rows], np.sqrt(effects.variance[rows])
    figure, axis = new_figure(6.5, 4.8)
    edge = float(se.max()) * 1.05
    for sign in (-1, 1):
        axis.plot([0, sign * 1.96 * edge], [0, edge], color=GREY, lw=0.8, ls="--")
    axis.axvline(0, color=GREY, lw=0.8)
    axis.plot(g, se, "o", color=BLUE, ms=4, alpha=0.5, mew=0)
    axis.set_ylim(edge, 0)
    axis.set_xlabel("Hedges' g (dashed: p = 0.05)")
    axis.set_ylabel("Standard error (small studies below)")
    title = f"{rows.sum()} measured contrasts; without small-study effects they lie even"
    axis.set_title(title, loc="left", fontsize=10)
    return save(figure, path)
