"""What held-out forecasts are worth, against the baseline, with intervals from whole studies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm, spearmanr
from statsmodels.stats.meta_analysis import combine_effects

from regencast.models import log_likelihood
from regencast.training.calibration import MIN_STUDIES, Z

#: Fewest rows of each kind on which telling "better" from "not better" is judged.
MIN_EACH = 20
RESAMPLES = 2000


def skill(table: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of held-out forecasts.

    Parameters
    ----------
    table : pandas.DataFrame
        As `cross_validate` returns it.

    Returns
    -------
    dict
        On measured rows: r2cv (weights 1/(v + tau2), tau2 by Paule-Mandel, against the baseline of
        each fold), mae, crps, rank_correlation, coverage90 (rows), coverage90_by_study, width90,
        width_ratio (mean width over that of the random-effects prediction interval
        ``2 z sqrt(tau2 + v)``). On all rows that say anything: log_score_gain (mean log score over
        the baseline's, both with the model's spread), auc and auc_baseline (chance that a row
        whose evidence is "better", `Effects.better`, is forecast above one whose evidence is not).
        Counts:
        n_measured, n_studies. What too few studies (19 with measured rows) support is left out.
    """
    rows = table[table["observed"].notna()]
    measures = {
        "n_measured": float(len(rows)),
        "n_studies": float(rows["study_id"].nunique()),
        "log_score_gain": float(_log_score_gain(table).mean()),
        **_ranking(table),
    }
    if measures["n_studies"] < MIN_STUDIES:
        return measures
    y = rows["observed"].to_numpy()
    f = rows["predicted"].to_numpy()
    inside = (rows["observed"] >= rows["low90"]) & (rows["observed"] <= rows["high90"])
    width = rows["high90"] - rows["low90"]
    wide = 2 * Z * np.sqrt(_tau2(rows) + rows["variance"])
    error, null_error = _weighted_errors(rows)
    # Forecasts that are all alike rank nothing.
    rank = spearmanr(f, y).statistic if np.ptp(f) > 0 else 0.0
    return {
        "r2cv": float(1 - error.sum() / null_error.sum()),
        "mae": float(np.mean(np.abs(y - f))),
        "crps": float(_crps(y, f, width.to_numpy() / (2 * Z)).mean()),
        "rank_correlation": float(rank),
        "coverage90": float(inside.mean()),
        "coverage90_by_study": float(inside.groupby(rows["study_id"]).mean().mean()),
        "width90": float(width.mean()),
        "width_ratio": float(width.mean() / wide.mean()),
        **measures,
    }


@dataclass(frozen=True)
class Verdict:
    """What the held-out studies say of the model, in one sentence and its numbers.

    Attributes
    ----------
    sentence : str
    skilled : bool or None
        Whether skill is shown; None where it cannot be judged.
    low, high : float
        90 % interval of the judged measure, from resampling studies; NaN where it was not judged.
    """

    sentence: str
    skilled: bool | None
    low: float = float("nan")
    high: float = float("nan")


def judge(table: pd.DataFrame, seed: int = 0, departs: bool | None = None) -> Verdict:
    """Judge held-out forecasts against the baseline.

    Parameters
    ----------
    table : pandas.DataFrame
        As `cross_validate` returns it.
    seed : int
        Of the resampling of studies.
    departs : bool, optional
        Whether the model of all studies departs from its baseline (`Blend.departs`): the verdict
        says where it does not, and where it does so though the models of the folds did not.

    Returns
    -------
    Verdict
    """
    verdict = _judge_folds(table, seed)
    told = ""
    if departs is False:
        told = " On all studies no candidate beat the baseline: every forecast is the baseline's."
    elif departs and _flat(table):
        told = (
            " The model of all studies does depart from the baseline, which no held-out study has "
            "judged: trust the baseline."
        )
    return replace(verdict, sentence=verdict.sentence + told)


def _judge_folds(table: pd.DataFrame, seed: int) -> Verdict:
    rows = table[table["observed"].notna()]
    studies = rows["study_id"].nunique()
    scope = f"{len(rows)} measured contrasts of {studies} studies"
    if studies < MIN_STUDIES:
        return _judge_direction(table, scope, seed)
    if _flat(table):
        return Verdict(
            f"This corpus teaches nothing beyond its average ({scope}): no candidate beat the "
            "baseline inside the training studies, so every held-out forecast is the baseline's.",
            False,
            0.0,
            0.0,
        )
    error, null_error = _weighted_errors(rows)
    sums = _resampled_sums(np.column_stack([error, null_error]), rows["study_id"], seed)
    low, high = np.quantile(1 - sums[:, 0] / sums[:, 1], [0.05, 0.95])
    r2 = 1 - error.sum() / null_error.sum()
    reach = f"{100 * r2:.0f} % (90 % interval {100 * low:.0f} to {100 * high:.0f})"
    if low > 0:
        sentence = (
            f"On held-out studies the model explains {reach} of the spread that the baseline "
            f"leaves ({scope})."
        )
    else:
        sentence = (
            f"No skill beyond the baseline is shown: on held-out studies the model explains "
            f"{reach} of the spread that the baseline leaves ({scope}); trust the baseline."
        )
    return Verdict(sentence, bool(low > 0), float(low), float(high))


def _flat(table: pd.DataFrame) -> bool:
    """Return whether every held-out forecast is the baseline's."""
    return bool(np.allclose(table["predicted"], table["baseline"]))


def _judge_direction(table: pd.DataFrame, scope: str, seed: int) -> Verdict:
    """Judge by the log score on intervals and by ranking, where numbers are too few.

    A mere shift of every forecast may raise the log score, and ranks no row above another.
    """
    start = f"Skill in effect size cannot be judged ({scope})"
    gain = _log_score_gain(table).dropna()
    ranking = _ranking(table)
    if not ranking:
        return Verdict(f"{start}, nor can skill in direction: trust the baseline.", None)
    studies = table.loc[gain.index, "study_id"]
    sums = _resampled_sums(gain.to_numpy()[:, None], studies, seed)[:, 0]
    low, high = np.quantile(sums, [0.05, 0.95]) / len(gain)
    lead = float(np.quantile(_resampled_leads(table.loc[gain.index], seed), 0.05))
    better = (
        f"told apart with an AUC of {ranking['auc']:.2f} (baseline {ranking['auc_baseline']:.2f})"
    )
    if low > 0 and lead > 0:
        sentence = f"{start}; on held-out studies better and not better are {better}."
    elif low > 0:
        sentence = (
            f"{start}; on held-out studies the log score is better than the baseline's, but no "
            f"skill in ranking beyond it is shown: better and not better are {better}."
        )
    else:
        sentence = (
            f"{start}, and no skill in direction beyond the baseline is shown: better and not "
            f"better are {better}; trust the baseline."
        )
    return Verdict(sentence, bool(low > 0 and lead > 0), float(low), float(high))


def _weighted_errors(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's weighted squared error, and the baseline's."""
    weight = 1 / (rows["variance"].to_numpy() + _tau2(rows))
    observed = rows["observed"].to_numpy()
    error = weight * (observed - rows["predicted"].to_numpy()) ** 2
    return error, weight * (observed - rows["baseline"].to_numpy()) ** 2


def _tau2(rows: pd.DataFrame) -> float:
    """Return the between-study variance of measured rows (Paule and Mandel 1982)."""
    observed, variance = rows["observed"].to_numpy(), rows["variance"].to_numpy()
    return max(float(combine_effects(observed, variance, method_re="iterated").tau2), 0.0)


def _log_score_gain(table: pd.DataFrame) -> pd.Series:
    """Return each row's log score over the baseline's, on its point or interval; NaN without."""
    lower, upper = (table[f"observed_{end}"].to_numpy() for end in ("lower", "upper"))
    sd = np.sqrt(table["true_sd"] ** 2 + table["variance"]).to_numpy()
    model, baseline = (
        log_likelihood(table[centre].to_numpy(), sd, lower, upper)[0]
        for centre in ("predicted", "baseline")
    )
    said = np.isfinite(lower) | np.isfinite(upper)
    return pd.Series(np.where(said, model - baseline, np.nan), index=table.index)


def _ranking(table: pd.DataFrame) -> dict[str, float]:
    """Return how well forecast and baseline tell "better" from "not better"."""
    rows = table[table["observed_better"].notna()]
    better = (rows["observed_better"] == 1).to_numpy()
    if min(better.sum(), (~better).sum()) < MIN_EACH:
        return {}
    alike = np.ones(len(rows))
    return {
        "auc": _auc(_order(rows["predicted"]), better, alike),
        "auc_baseline": _auc(_order(rows["baseline"]), better, alike),
    }


def _order(forecast: pd.Series) -> np.ndarray:
    """Return the place of each forecast among the different ones, from 0."""
    return np.unique(forecast, return_inverse=True)[1]


def _auc(order: np.ndarray, better: np.ndarray, weight: np.ndarray) -> float:
    """Return the Mann-Whitney estimate of the area under the ROC curve; NaN without either kind.

    Ties count half. Rows count by their weight.
    """
    won = np.bincount(order, weight * better)
    lost = np.bincount(order, weight * ~better)
    pairs = won.sum() * lost.sum()
    return float(won @ (np.cumsum(lost) - lost / 2) / pairs) if pairs else float("nan")


def _resampled_leads(rows: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the model's AUC less the baseline's over resamples of whole studies."""
    better = (rows["observed_better"] == 1).to_numpy()
    model, baseline = _order(rows["predicted"]), _order(rows["baseline"])
    place, drawn = _resamples(rows["study_id"], seed)
    leads = [
        _auc(model, better, weight) - _auc(baseline, better, weight)
        for weight in (counts[place] for counts in drawn)
    ]
    # A resample of one kind alone shows no lead.
    return np.nan_to_num(leads)


def _crps(y: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of normal forecasts.

    Gneiting and Raftery 2007, J Am Stat Assoc 102:359-378, equation 21.
    """
    z = (y - mean) / sd
    return sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


def _resampled_sums(values: np.ndarray, studies: pd.Series, seed: int) -> np.ndarray:
    """Return column sums over resamples of whole studies, shape (n_resamples, n_columns)."""
    place, drawn = _resamples(studies, seed)
    return drawn @ pd.DataFrame(values).groupby(place).sum().to_numpy()


def _resamples(studies: pd.Series, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's study, from 0, and how often each resample draws each study."""
    names, place = np.unique(studies.to_numpy(dtype=str), return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    return place, np.random.default_rng(seed).multinomial(len(names), share, size=RESAMPLES)
