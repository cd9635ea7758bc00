"""Explanations against reference values of metafor 3.8-1 and simulated truth."""

import json

import numpy as np
import pandas as pd
import pytest

from regencast.effects import Effects, regeneration_score
from regencast.explaining import factor_importance
from regencast.explaining.bias import egger_test
from regencast.explaining.headtohead import (
    Comparison,
    compare_within_studies,
    pool_comparisons,
    sentence_on_sign,
)
from regencast.forecasting import factor_shapley, score_steps
from regencast.reporting import write_report

YI = np.array([0.3, 0.5, 1.2, -0.4, 0.8, 1.9, 0.1, 0.6, 1.1, 0.2])
VI = np.array([0.1, 0.2, 0.15, 0.05, 0.3, 0.5, 0.08, 0.12, 0.25, 0.04])


def comparison(effect, variance, study, lower=None, upper=None):
    lower, upper = (effect if end is None else end for end in (lower, upper))
    return Comparison("dose", "high", "low", study, effect, variance, lower, upper)


def test_pools_agree_with_metafor():
    """rma(yi, vi, method="PM", test="knha")."""
    rows = [comparison(y, v, f"s{k}") for k, (y, v) in enumerate(zip(YI, VI, strict=True))]
    pooled = pool_comparisons(rows).iloc[0]
    np.testing.assert_allclose(
        pooled[["g", "low95", "high95", "tau2"]].astype(float),
        [0.4833678712973, 0.0514607842125, 0.9152749583820, 0.2204957864579],
        atol=1e-6,
    )
    assert pooled["k"] == 10 and pooled["k_better"] == 9 and pooled["k_worse"] == 1


def test_egger_agrees_with_metafor():
    """regtest(yi, vi, model="lm")."""
    found = egger_test(YI, VI)
    np.testing.assert_allclose(
        [found["intercept"], found["se"], found["p"]],
        [3.6159930, 0.9553385, 0.005349551],
        atol=1e-6,
    )


def test_directions_are_counted_and_never_pooled():
    rows = [
        comparison(np.nan, 0.3, "a", 1.1, np.inf),
        comparison(np.nan, 0.3, "a", 0.0, np.inf),
        comparison(np.nan, 0.3, "b", -np.inf, -1.1),
        comparison(np.nan, 0.3, "c", -1.1, 1.1),
    ]
    pooled = pool_comparisons(rows).iloc[0]
    assert (pooled["k"], pooled["k_better"], pooled["k_worse"]) == (3, 1, 1)
    assert np.isnan(pooled["g"]) and pooled["k_measured"] == 0


def test_a_disagreement_in_sign_is_said():
    row = pd.Series({"level": "hypoxia", "g": 0.5, "k_better": 3, "k_worse": 0})
    assert "disagree in sign" in sentence_on_sign(row, -0.2)
    assert sentence_on_sign(row, 0.2) == ""


def test_rows_that_differ_in_one_factor_alone_are_paired(simulated):
    corpus, effects, _ = simulated
    found = compare_within_studies(corpus, effects)
    assert found and {one.factor for one in found} <= {"source", "colour"}
    frame = corpus.frame
    for one in found:
        rows = frame[corpus.studies == one.study]
        assert {one.level, one.against} <= set(rows[one.factor])
    gains = [one.effect for one in found if (one.factor, one.level) == ("source", "B")]
    assert np.mean(gains) < -0.5, "A is better by 1.5 in the simulated truth"


def test_what_matters_is_ranked_first_and_told_from_noise(simulated):
    corpus, effects, forecaster = simulated
    found = factor_importance(forecaster, corpus, effects, resamples=40).table.set_index("factor")
    assert found.index[0] == "source" and found.loc["source", "beyond_noise"]
    assert not found.loc["colour", "beyond_noise"]
    inside = (found["low_g"] <= found["mean_abs_shap_g"]) & (
        found["mean_abs_shap_g"] <= found["high_g"]
    )
    assert inside.all() and found.loc["source", "top5_share"] == 1


def test_steps_in_score_points_add_up_exactly(simulated):
    corpus, _, forecaster = simulated
    found = factor_shapley(forecaster, corpus.frame.iloc[:5])
    score = regeneration_score(forecaster.forecast(corpus.frame.iloc[:5])["predicted"])
    for place in range(5):
        steps = score_steps(found.values.iloc[place], found.base[place], most=2)
        start = regeneration_score(found.base[place])
        assert start + steps.sum() == pytest.approx(score[place], abs=1e-6)


HOSTILE = ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "x" * 5000, "\u202egnirts\u202c"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_does_no_harm_in_the_report(tmp_path, text):
    (tmp_path / "explain").mkdir()
    run = {
        "corpus_name": text, "corpus_digest": "d", "contrasts": 2, "studies": 1,
        "evidence": {"direction": 100.0}, "factors": [text], "prior": False, "pooled": 0,
        "metrics": {"n_measured": 0.0, "n_studies": 0.0}, "experiment": "e", "seed": 1,
        "outer_folds": 10, "inner_folds": 5, "date": "today", "version": "0", "run_id": "r",
        "verdict": text,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(run))
    pd.DataFrame({"candidate": [text], "weight": 0.0, "log_score_gain": 0.0}).to_csv(
        tmp_path / "candidates.csv", index=False
    )
    influence = {"study": [text], "mean_change_g": 0.1, "largest_change_g": 0.2}
    pd.DataFrame(influence).to_csv(tmp_path / "explain/influence.csv", index=False)
    html = write_report(tmp_path, tmp_path / "report.html").read_text()
    assert "<script" not in html and "http://" not in html and "https://" not in html
    assert "&lt;script" in html or not text.startswith("<")


def test_no_effect_that_says_nothing_is_compared(simulated):
    corpus, effects, _ = simulated
    blank = Effects(
        np.full(len(corpus), np.nan), np.full(len(corpus), -np.inf), np.full(len(corpus), np.inf),
        effects.variance, np.full(len(corpus), "none", dtype=object),
    )  # fmt: skip
    assert compare_within_studies(corpus, blank) == []
