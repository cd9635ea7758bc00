"""Signs of small-study effects: Egger's regression and the funnel plot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import t

from regencast.corpus import Corpus
from regencast.effects import Effects
from regencast.explaining.style import BLUE, GREY, new_figure, save
from regencast.training.forecaster import planned_variance

#: Fewer measured contrasts cannot carry Egger's regression (Sterne and others 2011, BMJ 343:d4002).
MIN_ROWS = 10
#: Standard errors that differ by less than this share of their mean are alike but for rounding.
LEAST_SPREAD = 1e-6
NUMBERS = ("k", "intercept", "se", "p", "size_slope", "size_se", "size_p")


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
        standard error, and the two-sided p of the t-test on k - 2 degrees of freedom; NaN where
        standard errors do not vary, for then there is no line through them.
    """
    se = np.sqrt(variance)
    if np.ptp(se) < LEAST_SPREAD * se.mean():
        return {"k": float(len(g)), "intercept": np.nan, "se": np.nan, "p": np.nan}
    fit = sm.OLS(g / se, sm.add_constant(1 / se)).fit()
    return {
        "k": float(len(g)),
        "intercept": float(fit.params[0]),
        "se": float(fit.bse[0]),
        "p": float(fit.pvalues[0]),
    }


def size_test(g: np.ndarray, size: np.ndarray, studies: np.ndarray) -> dict[str, float]:
    """Return the regression of g on the precision that group sizes alone give.

    The variance of a standardised mean difference grows with the effect itself, so that Egger's
    regression sees small-study effects where there are none. Pustejovsky and Rodgers (2019, Res
    Synth Methods 10:57-71) put ``sqrt(1/n1 + 1/n2)`` in the place of the standard error; errors are
    clustered by study (Rodgers and Pustejovsky 2021, Psychol Methods 26:141-160).

    Parameters
    ----------
    g : ndarray, shape (k,)
    size : ndarray, shape (k,)
        ``sqrt(1/n1 + 1/n2)``, by whose inverse square rows are weighted.
    studies : ndarray, shape (k,)

    Returns
    -------
    dict
        size_slope (0 without small-study effects, positive where small studies report more), its
        clustered standard error size_se, and size_p on as many degrees of freedom as studies less
        two; NaN where sizes do not vary or there are fewer than three studies.
    """
    names, groups = np.unique(studies.astype(str), return_inverse=True)
    if len(names) < 3 or (size.max() - size.min()) < 1e-9:
        return {"size_slope": np.nan, "size_se": np.nan, "size_p": np.nan}
    model = sm.WLS(g, sm.add_constant(size), weights=1 / size**2)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    slope, se = float(fit.params[1]), float(fit.bse[1])
    p = float(2 * t.sf(abs(slope / se), len(names) - 2))
    return {"size_slope": slope, "size_se": se, "size_p": p}


def egger_table(corpus: Corpus, effects: Effects, by: str) -> pd.DataFrame:
    """Return Egger's regression and `size_test` over all measured rows, and by level.

    A level has its own row where ten or more of its contrasts are measured.

    Parameters
    ----------
    corpus : Corpus
    effects : Effects
    by : str
        A category's column; empty for all rows together.

    Returns
    -------
    pandas.DataFrame
        One row per group: group, k, intercept, se, p, size_slope, size_se, size_p; empty with
        fewer than ten measured rows.
    """
    parts = {"all": effects.measured}
    if by:
        parts |= {
            str(level): effects.measured & (corpus.frame[by] == level).to_numpy()
            for level in corpus.frame[by].dropna().unique()
        }
    size = np.sqrt(planned_variance(corpus.frame, corpus.schema))
    found = []
    for name, rows in parts.items():
        if rows.sum() < MIN_ROWS:
            continue
        sized = rows & np.isfinite(size)
        found.append(
            {
                "group": name,
                **egger_test(effects.point[rows], effects.variance[rows]),
                **size_test(effects.point[sized], size[sized], corpus.studies[sized]),
            }
        )
    return pd.DataFrame(found, columns=["group", *NUMBERS])


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
