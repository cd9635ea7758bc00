"""From what a study reports to the interval of g that it supports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, read_p
from regencast.effects.hedges import (
    Z95,
    Floats,
    critical_g,
    hedges_g,
    hedges_variance,
    to_sd,
)

#: Kinds of evidence, from the richest to none.
KINDS = ("measured", "meta_analytic", "bounded", "ratio", "direction", "none")
#: Kinds that give a number and not an interval.
POINT_KINDS = ("measured", "meta_analytic", "ratio")
#: Group size where neither the row nor its corpus reports one, and the range in which it may lie:
#: the usual 6 to 8 of the field, and nearly all of it.
DEFAULT_N = 6.0
DEFAULT_RANGE = (3.0, 12.0)
#: Percentiles of the corpus's group sizes between which an unreported one is taken to lie.
SIZE_PERCENTILES = (10, 90)
#: What a spread can be whose kind is not stated; a bare "mean +- x" is hardly ever an interval.
UNSTATED_SPREADS = ("sd", "sem")
#: Fewest studies with measured rows from which an outcome's typical coefficient of variation is
#: taken, and fewest rows from which the corpus's is: a handful is one laboratory's habit.
MIN_STUDIES_FOR_CV = 3
MIN_ROWS_OVERALL = 20


@dataclass(frozen=True)
class Effects:
    """What each contrast says of Hedges' g, oriented so that positive is better.

    All arrays have shape (n_contrasts,), in standard deviations (variance in their square).

    Attributes
    ----------
    point : ndarray
        g, or NaN where only an interval is known.
    lower, upper : ndarray
        The interval that the evidence supports; equal to the point where there is one.
    variance : ndarray
        Sampling variance of the observed g (at the bound nearest zero where only a bound is known).
    kind : ndarray of str
        One of `KINDS`.
    better : ndarray
        1 where treated animals did better and 0 where they did worse, by the stated direction and
        its test, else by what a test of g would say; 0.5 where no difference is shown, NaN where
        nothing is known.
    """

    point: Floats
    lower: Floats
    upper: Floats
    variance: Floats
    kind: np.ndarray
    better: Floats

    def __len__(self) -> int:
        """Return the number of contrasts."""
        return len(self.point)

    @property
    def measured(self) -> np.ndarray:
        """Rows on which forecasts can be compared with an observed g."""
        return np.isin(self.kind, ("measured", "meta_analytic"))

    @property
    def informative(self) -> np.ndarray:
        """Rows that say anything of g."""
        return self.kind != "none"

    def take(self, rows: np.ndarray) -> Effects:
        """Return the effects of some rows, by position or mask."""
        return Effects(
            self.point[rows],
            self.lower[rows],
            self.upper[rows],
            self.variance[rows],
            self.kind[rows],
            self.better[rows],
        )

    def targets(self) -> Floats:
        """Return lower, upper and variance as the estimators take them, shape (n, 3)."""
        return np.column_stack([self.lower, self.upper, self.variance])


def read_effects(corpus: Corpus) -> Effects:
    """Return the effect, or the interval of it, that every contrast supports.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    Effects

    Notes
    -----
    The richest evidence of a row wins: group means with spread and sizes, then an SMD of a
    meta-analysis, then group means whose spread has no stated kind or whose groups have no stated
    size (bounds), then a ratio, then the direction alone.
    """
    n1, n2 = _group_sizes(corpus)
    low, high = _from_direction(corpus, n1, n2)
    least, most = _from_unclear_spread(corpus)
    sources = (
        ("measured", *_point(*_from_means(corpus))),
        ("meta_analytic", *_point(*_from_smd(corpus, n1, n2))),
        ("bounded", least, most, _variance_of_bounds(least, most, n1, n2)),
        ("ratio", *_point(*_from_ratio(corpus, n1, n2))),
        ("direction", low, high, _variance_of_bounds(low, high, n1, n2)),
    )
    kind = np.full(len(corpus), "none", dtype=object)
    lower, upper = np.full(len(corpus), -np.inf), np.full(len(corpus), np.inf)
    variance = hedges_variance(0.0, n1, n2)
    for name, bottom, top, v in sources:
        says = (np.isfinite(bottom) | np.isfinite(top)) & np.isfinite(v)
        rows = says & (kind == "none")
        kind[rows] = name
        lower[rows], upper[rows], variance[rows] = bottom[rows], top[rows], v[rows]
    point = np.where(np.isin(kind, POINT_KINDS), lower, np.nan)
    # Where no direction is stated, a test of the number tells one.
    stated = np.isfinite(low) | np.isfinite(high)
    bound = np.where(stated, 0.0, critical_g(n1, n2))
    sides = np.where(stated, low, lower) >= bound, np.where(stated, high, upper) <= -bound
    better = np.select([kind == "none", *sides], [np.nan, 1.0, 0.0], 0.5)
    return Effects(point, lower, upper, variance, kind, better)


def _point(g: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Return a point as the interval that it is."""
    return g, g, variance


def _variance_of_bounds(lower: Floats, upper: Floats, n1: Floats, n2: Floats) -> Floats:
    """Return the sampling variance at the value of the interval that is nearest zero."""
    return hedges_variance(np.clip(0.0, lower, upper), n1, n2)


def _number(corpus: Corpus, role: str) -> Floats:
    return pd.to_numeric(corpus.role(role), errors="coerce").to_numpy(dtype=float)


def _sign(corpus: Corpus) -> Floats:
    """Return +1 where higher is better, -1 where lower is; +1 where no column says so."""
    if corpus.schema.column("outcome_better") is None:
        return np.ones(len(corpus))
    return corpus.role("outcome_better").map({"higher": 1.0, "lower": -1.0}).to_numpy(float)


def _group_sizes(corpus: Corpus) -> tuple[Floats, Floats]:
    """Return the group sizes, with the corpus's median where a row reports none."""
    sizes = []
    for arm in ("treated", "control"):
        n = _number(corpus, f"n_{arm}")
        usual = np.nanmedian(n) if np.isfinite(n).any() else DEFAULT_N
        sizes.append(np.where(np.isfinite(n), n, max(float(usual), 2.0)))
    # One arm's size is the best guess for the other's.
    own = [np.isfinite(_number(corpus, f"n_{arm}")) for arm in ("treated", "control")]
    treated = np.where(own[1] & ~own[0], sizes[1], sizes[0])
    control = np.where(own[0] & ~own[1], sizes[0], sizes[1])
    return treated, control


def _kinds_of_spread(corpus: Corpus) -> np.ndarray:
    """Return ``sd``, ``sem`` or ``ci95`` of each row, else blank; SDs where no column says."""
    if corpus.schema.column("dispersion") is None:
        return np.full(len(corpus), "sd", dtype=object)
    return corpus.role("dispersion").to_numpy(dtype=object)


def _sds(corpus: Corpus, n1: Floats, n2: Floats, kinds: np.ndarray) -> tuple[Floats, Floats]:
    """Return the SDs of both groups; a spread of no kind gives none."""
    return (
        to_sd(_number(corpus, "sd_treated"), n1, kinds),
        to_sd(_number(corpus, "sd_control"), n2, kinds),
    )


def _g_of_means(corpus: Corpus, n1: Floats, n2: Floats, kinds: np.ndarray) -> Floats:
    means = _number(corpus, "mean_treated"), _number(corpus, "mean_control")
    return _sign(corpus) * hedges_g(*means, *_sds(corpus, n1, n2, kinds), n1, n2)


def _from_means(corpus: Corpus) -> tuple[Floats, Floats]:
    n1, n2 = _number(corpus, "n_treated"), _number(corpus, "n_control")
    g = _g_of_means(corpus, n1, n2, _kinds_of_spread(corpus))
    return g, hedges_variance(g, n1, n2)


def _from_unclear_spread(corpus: Corpus) -> tuple[Floats, Floats]:
    """Return the least and the greatest g of group means whose spread can be read in several ways.

    A spread without its kind is an SD or a standard error, and an unreported group size any that
    is usual. The truth lies between the extremes, and within the bounds of the direction, the
    widest of any such size, where these leave room.
    """
    stated = _kinds_of_spread(corpus)
    treated, control = _plausible_sizes(corpus, "treated"), _plausible_sizes(corpus, "control")
    readings = []
    # The pooled SD weighs the spreads by the sizes: the extremes need not lie at like sizes.
    for n1, n2 in product(treated, control):
        for kind in UNSTATED_SPREADS:
            kinds = np.where(pd.isna(stated), kind, stated)
            readings.append(_g_of_means(corpus, n1, n2, kinds))
    least, most = np.min(readings, axis=0), np.max(readings, axis=0)
    bounds = [_from_direction(corpus, *sizes) for sizes in zip(treated, control, strict=True)]
    low, high = np.min(bounds, axis=0)[0], np.max(bounds, axis=0)[1]
    inner = np.maximum(least, low), np.minimum(most, high)
    room = inner[0] <= inner[1]
    return np.where(room, inner[0], least), np.where(room, inner[1], most)


def _plausible_sizes(corpus: Corpus, arm: str) -> tuple[Floats, Floats]:
    """Return the least and the greatest size that a group may have: its own where reported."""
    n = _number(corpus, f"n_{arm}")
    ends = np.nanpercentile(n, SIZE_PERCENTILES) if np.isfinite(n).any() else DEFAULT_RANGE
    least, most = (np.where(np.isfinite(n), n, max(float(end), 2.0)) for end in ends)
    return least, most


def _from_smd(corpus: Corpus, n1: Floats, n2: Floats) -> tuple[Floats, Floats]:
    """Return a published SMD with its variance, from its interval or from n where not given."""
    g = _number(corpus, "smd")
    width = _number(corpus, "smd_ci_high") - _number(corpus, "smd_ci_low")
    variance = _number(corpus, "smd_variance")
    variance = np.where(np.isfinite(variance), variance, (width / (2 * Z95)) ** 2)
    return g, np.where(np.isfinite(variance), variance, hedges_variance(g, n1, n2))


def _from_ratio(corpus: Corpus, n1: Floats, n2: Floats) -> tuple[Floats, Floats]:
    """Return g from the log ratio over the outcome's typical coefficient of variation.

    By the delta method ln(m1 / m2) is close to (m1 - m2) / m, so that g is close to
    ln(ratio) / CV; the uncertainty of CV adds g^2 var(ln CV) to the sampling variance.
    """
    treated, control = _number(corpus, "mean_treated"), _number(corpus, "mean_control")
    ratio = _number(corpus, "ratio")
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.where((treated > 0) & (control > 0), treated / control, np.nan)
        log_ratio = np.log(np.where(np.isfinite(ratio) & (ratio > 0), ratio, own))
    centre, spread = _typical_cv(corpus)
    g = _sign(corpus) * log_ratio / np.exp(centre)
    return g, hedges_variance(g, n1, n2) + g**2 * spread


def _typical_cv(corpus: Corpus) -> tuple[Floats, Floats]:
    """Return mean and variance of the log coefficient of variation of each row's outcome."""
    sizes = _number(corpus, "n_treated"), _number(corpus, "n_control")
    sd1, sd2 = _sds(corpus, *sizes, _kinds_of_spread(corpus))
    with np.errstate(invalid="ignore", divide="ignore"):
        log_cv = 0.5 * (
            np.log(sd1 / _number(corpus, "mean_treated"))
            + np.log(sd2 / _number(corpus, "mean_control"))
        )
    usable = pd.Series(log_cv).where(np.isfinite(log_cv))
    if usable.count() < MIN_ROWS_OVERALL:
        blank = np.full(len(corpus), np.nan)
        return blank, blank
    studies = pd.Series(corpus.studies)
    everywhere = _mean_and_variance(usable, studies)
    centre, spread = (np.full(len(corpus), value) for value in everywhere)
    if "outcome" in corpus.frame:
        for rows in _outcome_groups(corpus):
            if studies[rows][usable[rows].notna()].nunique() >= MIN_STUDIES_FOR_CV:
                centre[rows], spread[rows] = _mean_and_variance(usable[rows], studies[rows])
    return centre, spread


def _mean_and_variance(values: pd.Series, studies: pd.Series) -> tuple[float, float]:
    """Return the mean, and the variance of a new value about it: the mean itself is uncertain."""
    told = studies[values.notna()].nunique()
    return values.mean(), values.var(ddof=1) * (1 + 1 / told)


def _outcome_groups(corpus: Corpus) -> Iterator[np.ndarray]:
    for rows in corpus.frame.groupby("outcome").indices.values():
        yield np.asarray(rows)


def _from_direction(corpus: Corpus, n1: Floats, n2: Floats) -> tuple[Floats, Floats]:
    """Return the interval that direction and significance support; infinite where open."""
    direction = corpus.role("direction").to_numpy(dtype=object)
    significant, null = _significance(corpus)
    bound = critical_g(n1, n2)
    low = np.full(len(corpus), -np.inf)
    high = np.full(len(corpus), np.inf)
    better, worse = direction == "better", direction == "worse"
    low = np.where(better, np.where(significant, bound, 0.0), low)
    high = np.where(worse, np.where(significant, -bound, 0.0), high)
    # "No difference" claims no more than that a test failed to find one.
    inside = null | (direction == "no_difference")
    return np.where(inside, -bound, low), np.where(inside, bound, high)


def _significance(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are significant and which are not, from the column, else the p-value."""
    stated = corpus.role("significance").to_numpy(dtype=object)
    p = [read_p(value) for value in corpus.role("p_value")]
    silent = np.array([pd.isna(value) or value == "not_stated" for value in stated], dtype=bool)
    significant = (stated == "significant") | (silent & np.array([x is True for x in p]))
    null = (stated == "not_significant") | (silent & np.array([x is False for x in p]))
    return significant, null
