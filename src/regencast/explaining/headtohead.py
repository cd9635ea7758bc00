"""Head-to-head evidence: contrasts that vary one design factor within a study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from statsmodels.stats.meta_analysis import combine_effects

from regencast.corpus import Corpus, Field, split_labels
from regencast.corpus.schema import PLAIN, SIZE_ROLES
from regencast.effects import Effects
from regencast.words import readable_level

MIN_STUDIES = 2
SIGN_LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """One study's comparison of two levels of a factor; positive favours ``level``.

    Attributes
    ----------
    factor, level, against, study : str
    effect, variance : float
        g of ``level`` less g of ``against``; NaN where the study gives a direction alone.
    lower, upper : float
        The interval of the effect that the evidence supports.
    """

    factor: str
    level: str
    against: str
    study: str
    effect: float
    variance: float
    lower: float
    upper: float


def compare_within_studies(corpus: Corpus, effects: Effects) -> list[Comparison]:
    """Return every comparison of two levels of one factor within a study.

    Two kinds are found. A row whose comparator is itself a treated group (``compares`` in the data
    package: a modified against an unmodified EV) is a comparison as it stands. Two rows of a study
    that share everything but one factor give the difference of their effects.

    Parameters
    ----------
    corpus : Corpus
    effects : Effects

    Returns
    -------
    list of Comparison
    """
    return [*_direct(corpus, effects), *_paired(corpus, effects)]


def _direct(corpus: Corpus, effects: Effects) -> Iterator[Comparison]:
    field = next((f for f in corpus.schema.fields if f.compares), None)
    if field is None or field.compares is None:
        return
    fields = {f.name: f for f in corpus.schema.fields}
    for row, comparator in enumerate(corpus.frame[field.name]):
        varied = [fields[name] for name in field.compares.get(comparator, [])]
        found = [(f, level) for f in varied for level in _levels(f, corpus.frame[f.name].iloc[row])]
        # A group with two modifications does not tell which of them made the difference.
        if len(found) != 1 or effects.kind[row] == "none":
            continue
        one, level = found[0]
        yield Comparison(
            one.factor,
            level,
            str(comparator),
            str(corpus.studies[row]),
            float(effects.point[row]),
            float(effects.variance[row]),
            float(effects.lower[row]),
            float(effects.upper[row]),
        )


def _levels(field: Field, cell: object) -> list[str]:
    if field.kind == "labels":
        return [label for label in split_labels(cell) if label != PLAIN]
    if field.role == "dose_value":
        return ["higher dose"]
    return [str(cell)] if cell and cell == cell else []


def _paired(corpus: Corpus, effects: Effects) -> Iterator[Comparison]:
    """Compare rows of a study that differ in one category alone and have the same control."""
    frame = corpus.frame
    design = [f for f in corpus.schema.design if f.role == "factor"]
    categories = [f for f in design if f.kind in ("category", "labels") and not f.compares]
    # Group sizes may differ: they say how sure an effect is, not what was done.
    rest = [f for f in corpus.schema.design if f not in categories and f.role not in SIZE_ROLES]
    shared = [*(f.name for f in rest), *filter(None, [corpus.schema.column("outcome_better")])]
    names = [f.name for f in categories]
    texts = frame[list(dict.fromkeys([*names, *shared]))].astype(str).to_numpy()
    width = len(names)
    for study, rows in pd.Series(range(len(frame))).groupby(corpus.studies.astype(str)):
        best: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
        for a, b in combinations(rows[effects.measured[rows]], 2):
            differs = np.flatnonzero(texts[a] != texts[b])
            if len(differs) != 1 or differs[0] >= width:
                continue
            field = categories[differs[0]]
            first, second = str(frame[field.name].iloc[a]), str(frame[field.name].iloc[b])
            if "None" in (first, second) or "nan" in (first, second):
                continue
            # The plain level, else the first by name, is what the other is compared with.
            swap = first == PLAIN or (second != PLAIN and first < second)
            level, against = (second, first) if swap else (first, second)
            top, low = (b, a) if swap else (a, b)
            gain = float(effects.point[top] - effects.point[low])
            key = (field.factor, level, against)
            best.setdefault(key, []).append((gain, _difference_variance(corpus, effects, top, low)))
        for (factor, level, against), pairs in best.items():
            gain, variance = np.mean(pairs, axis=0)
            yield Comparison(factor, level, against, str(study), gain, variance, gain, gain)


def _difference_variance(corpus: Corpus, effects: Effects, a: int, b: int) -> float:
    """Return the variance of the difference of two g, which may share their control group.

    With a shared control of n_c animals the two have the covariance
    ``1/n_c + g_a g_b (n_c - 1) / (2 df_a df_b)``: that of Gleser and Olkin (2009, The Handbook of
    Research Synthesis, chapter 19), whose effects are standardised by all groups together, worked
    out for effects that are each standardised by their own two groups (delta method).
    """
    total = float(effects.variance[a] + effects.variance[b])
    controls = [
        pd.to_numeric(corpus.role(role), errors="coerce").iloc[[a, b]].to_numpy(dtype=float)
        for role in ("mean_control", "sd_control", "n_control")
    ]
    if not all(np.isfinite(pair).all() and pair[0] == pair[1] for pair in controls):
        return total
    n_control = controls[2][0]
    treated = pd.to_numeric(corpus.role("n_treated"), errors="coerce").iloc[[a, b]]
    freedom = np.prod(treated.to_numpy(dtype=float) + n_control - 2)
    spread = effects.point[a] * effects.point[b] * (n_control - 1) / (2 * freedom)
    shared = 1 / n_control + spread
    return max(total - 2 * float(shared), 0.1 * total)


def pool_comparisons(comparisons: list[Comparison]) -> pd.DataFrame:
    """Return the random-effects pool of every comparison that two or more studies made.

    Paule and Mandel's tau2 and the interval of Hartung, Knapp, Sidik and Jonkman on studies with a
    measured effect (metafor: ``rma(yi, vi, method="PM", test="knha")``, except that the interval is
    never narrower than the normal one); a two-sided sign test on all that say better or worse.

    Parameters
    ----------
    comparisons : list of Comparison

    Returns
    -------
    pandas.DataFrame
        One row per factor, level and comparator: k (studies), k_measured, k_better, k_worse,
        sign_p, g, low95, high95, tau2 (NaN with fewer than two measured studies).
    """
    columns = ["factor", "level", "against", "study", "effect", "variance", "lower", "upper"]
    table = pd.DataFrame([vars(one) for one in comparisons], columns=columns)
    rows = []
    for (factor, level, against), part in table.groupby(["factor", "level", "against"], sort=True):
        studies = part["study"].nunique()
        if studies < MIN_STUDIES:
            continue
        # A study counts once: by the mean of its measured effects, and by the side it stands on.
        better = part.groupby("study").apply(_side, include_groups=False)
        won, lost = int((better > 0).sum()), int((better < 0).sum())
        row = {"factor": factor, "level": level, "against": against, "k": studies}
        row |= {"k_better": won, "k_worse": lost}
        row["sign_p"] = binomtest(won, won + lost).pvalue if won + lost else np.nan
        known = part[part["effect"].notna()].groupby("study")[["effect", "variance"]].mean()
        rows.append(row | {"k_measured": len(known)} | _pooled(known))
    return pd.DataFrame(rows)


def _side(part: pd.DataFrame) -> float:
    """Return on which side of zero a study's evidence stands: 1, -1; 0 where it does not tell."""
    if part["effect"].notna().any():
        return float(np.sign(part["effect"].mean()))
    return float(np.sign((part["lower"] >= 0).sum() - (part["upper"] <= 0).sum()))


def _pooled(known: pd.DataFrame) -> dict[str, float]:
    if len(known) < MIN_STUDIES:
        return dict.fromkeys(("g", "low95", "high95", "tau2"), np.nan)
    found = combine_effects(
        known["effect"].to_numpy(), known["variance"].to_numpy(), method_re="iterated", use_t=True
    )
    intervals = found.conf_int(use_t=True)
    low, high = intervals[3]
    # The adjusted interval can be too narrow where two studies agree by chance.
    plain_low, plain_high = found.conf_int(use_t=False)[1]
    return {
        "g": float(found.mean_effect_re),
        "low95": min(float(low), float(plain_low)),
        "high95": max(float(high), float(plain_high)),
        "tau2": max(float(found.tau2), 0.0),
    }


def sentence_on_sign(row: pd.Series, shap: float) -> str:
    """Return one sentence where a comparison that is sure of its sign and SHAP disagree in it.

    Sure is a pool whose interval excludes zero or, without a pool, a sign test below 0.05.

    Parameters
    ----------
    row : pandas.Series
        A row of `pool_comparisons`.
    shap : float
        Mean Shapley value of the level less that of the level it is compared with, in g.
    """
    if np.isfinite(row["g"]):
        known, sure = row["g"], row["low95"] * row["high95"] > 0
    else:
        known, sure = row["k_better"] - row["k_worse"], row["sign_p"] < SIGN_LEVEL
    if not sure or not np.isfinite(shap) or known * shap >= 0:
        return ""
    return (
        f"Head-to-head studies and the model disagree in sign on "
        f"{readable_level(row['level'])}: within studies it "
        f"{'helps' if known > 0 else 'harms'}, across studies the model has it "
        f"{'lower' if shap < 0 else 'higher'}; trust the comparison within studies."
    )
