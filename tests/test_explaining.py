"""Explanations against reference values of metafor 3.8-1 and simulated truth."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from conftest import SMALL
from regencast.corpus import read_corpus
from regencast.effects import Effects, read_effects, regeneration_score
from regencast.errors import FaultyInput
from regencast.explaining import explain, factor_importance, forest, remove_earlier
from regencast.explaining.bias import egger_test, size_test
from regencast.explaining.evidence import compare_with_pools
from regencast.explaining.forest import _pool_told
from regencast.explaining.headtohead import (
    Comparison,
    compare_within_studies,
    pool_comparisons,
    sentence_on_sign,
)
from regencast.explaining.interactions import factor_interactions
from regencast.explaining.within import _shap_of
from regencast.forecasting import Reasons, explain_design, factor_shapley, score_steps
from regencast.models import IntervalBoosting
from regencast.reporting import load_model, store, write_report
from regencast.training import fit_forecaster
from regencast.training.experiment import Candidate

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


@pytest.mark.parametrize("wobble", [0.0, 1e-9])
def test_egger_has_no_line_through_equal_standard_errors(wobble):
    variance = np.full(15, 0.1)
    variance[0] += wobble
    found = egger_test(1.0 + np.random.default_rng(0).normal(0, 0.3, 15), variance)
    assert found["k"] == 15 and np.isnan([found["intercept"], found["se"], found["p"]]).all()


def test_the_regression_on_size_agrees_with_metafor():
    """regtest(yi, sei=sqrt(1/n1 + 1/n2), model="lm"): the slope; its errors are not clustered."""
    g = np.array([0.8, 1.2, 0.3, 1.9, 0.6, 1.1, 2.4, 0.2, 1.5, 0.9, 1.7, 0.5])
    n1 = np.array([10, 8, 20, 6, 15, 9, 5, 25, 7, 12, 6, 18])
    n2 = np.array([10, 9, 18, 6, 15, 10, 6, 24, 8, 12, 7, 20])
    found = size_test(g, np.sqrt(1 / n1 + 1 / n2), np.arange(12))
    assert found["size_slope"] == pytest.approx(5.83533758778, abs=1e-9)
    assert found["size_p"] < 1e-4
    alone = size_test(g, np.full(12, 0.5), np.arange(12))
    assert np.isnan(alone["size_p"])


def test_a_large_effect_alone_is_no_small_study_effect():
    """Where Egger's regression raises false alarms, the regression on size does so seldom."""
    rng = np.random.default_rng(5)
    alarms = []
    for _ in range(150):
        n = rng.integers(4, 16, 60)
        means = [rng.normal(shift, 1, (60, 16)) for shift in (1.8, 0.0)]
        parts = [[group[k, :m] for k, m in enumerate(n)] for group in means]
        pooled = [np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2) for a, b in zip(*parts, strict=True)]
        gap = [a.mean() - b.mean() for a, b in zip(*parts, strict=True)]
        g = (1 - 3 / (8 * n - 9)) * np.array(gap) / np.array(pooled)
        variance = 2 / n + g**2 / (4 * n)
        sized = size_test(g, np.sqrt(2 / n), np.arange(60))
        alarms.append((egger_test(g, variance)["p"] < 0.05, sized["size_p"] < 0.05))
    egger, size = np.mean(alarms, axis=0)
    assert egger > 0.4 and size < 0.13


def test_two_arms_that_share_a_control_vary_together(tmp_path):
    """The variance of their difference, against that of simulated studies."""
    rng = np.random.default_rng(6)
    n, draws, true = 40, 20000, (0.8, 1.6)
    control = rng.normal(0, 1, (draws, n))
    arms = [rng.normal(shift, 1, (draws, n)) for shift in true]
    gap = [
        (arm.mean(axis=1) - control.mean(axis=1))
        / np.sqrt((arm.var(axis=1, ddof=1) + control.var(axis=1, ddof=1)) / 2)
        * (1 - 3 / (8 * n - 9))
        for arm in arms
    ]
    seen = float(np.var(gap[1] - gap[0]))
    (tmp_path / "sim").mkdir()
    rows = [f"s1,s1-{k},{source},higher,{true[k]},1,{n},0,1,{n}" for k, source in enumerate("AB")]
    head = "study,contrast,source,better,m1,s1,n1,m2,s2,n2"
    (tmp_path / "sim/contrasts.csv").write_text("\n".join([head, *rows]) + "\n")
    roles = ("study", "contrast", "factor", "outcome_better", "mean_treated", "sd_treated",
             "n_treated", "mean_control", "sd_control", "n_control")  # fmt: skip
    fields = [
        {
            "name": name,
            "role": role,
            "type": "string",
            **({"kind": "category"} if role == "factor" else {}),
        }
        for name, role in zip(head.split(","), roles, strict=True)
    ]
    resource = {"name": "contrasts", "path": "contrasts.csv", "schema": {"fields": fields}}
    text = json.dumps({"name": "sim", "resources": [resource]})
    (tmp_path / "sim/datapackage.json").write_text(text)
    corpus = read_corpus(tmp_path / "sim")
    (one,) = compare_within_studies(corpus, read_effects(corpus))
    assert one.variance == pytest.approx(seen, rel=0.06)


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
    row = pd.Series({"level": "hypoxia", "g": 0.5, "low95": 0.1, "high95": 0.9})
    assert "disagree in sign" in sentence_on_sign(row, -0.2)
    assert sentence_on_sign(row, 0.2) == ""
    assert sentence_on_sign(row.replace({0.1: -0.1}), -0.2) == "", "the interval has zero"
    signs = pd.Series({"level": "milk", "g": np.nan, "k_better": 7, "k_worse": 0, "sign_p": 0.016})
    assert "within studies it helps" in sentence_on_sign(signs, -0.2)
    assert sentence_on_sign(signs.replace({0.016: 1.0}), -0.2) == "", "one study tells no sign"


def test_a_level_is_held_against_what_it_was_compared_with(simulated):
    corpus = simulated[0]
    sources = np.array(["A", "B", "C"])[np.arange(len(corpus)) % 3]
    corpus = replace(corpus, frame=corpus.frame.assign(source=sources))
    shap = pd.DataFrame({"source": pd.Series(sources).map({"A": -0.6, "B": -0.1, "C": 0.7})})
    row = pd.Series({"factor": "source", "level": "B", "against": "A"})
    assert _shap_of(row, corpus, shap) == pytest.approx(0.5)
    row["against"] = "other_source"
    others = shap["source"][sources != "B"].mean()
    assert _shap_of(row, corpus, shap) == pytest.approx(-0.1 - others)


def test_one_study_with_numbers_is_no_direction_alone():
    rows = [comparison(0.4, 0.1, "a"), comparison(np.nan, 0.3, "b", 0.0, np.inf)]
    assert "one study with numbers" in _pool_told(pool_comparisons(rows).iloc[0])
    assert "directions alone" in _pool_told(
        pool_comparisons([rows[1], replace(rows[1], study="c")]).iloc[0]
    )


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
        reasons = Reasons(found.values.iloc[place], found.base[place], baseline=0.0, said={})
        steps = score_steps(reasons, most=2)
        start = regeneration_score(found.base[place])
        assert start + steps.sum() == pytest.approx(score[place], abs=1e-6)


def test_a_waterfall_says_what_the_design_gives_of_each_factor(simulated):
    corpus, _, forecaster = simulated
    design = corpus.frame.iloc[:1].assign(source=None, dose=50.0, dose_unit="ug")
    said = explain_design(forecaster, design).said
    assert said["source"] == "not given"
    assert said["dose"] == "50 ug"


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
        np.full(len(corpus), np.nan),
    )  # fmt: skip
    assert compare_within_studies(corpus, blank) == []


def test_interactions_are_those_of_all_boosted_trees_by_their_weight(simulated):
    corpus, effects, forecaster = simulated
    blend, rows = forecaster.blend, np.flatnonzero(effects.informative)
    X = blend.encoder.transform(corpus.frame.iloc[rows])
    y = effects.take(rows).targets()
    trees = tuple(IntervalBoosting(d, n_estimators=40).fit(X, y) for d in (2, 4))

    def found(members, weights):
        mixed = replace(blend, members=members, weights=np.array(weights))
        return factor_interactions(replace(forecaster, blend=mixed), corpus, effects)

    forest = next(m for m in blend.members if not isinstance(m, IntervalBoosting))
    both = found((*trees, forest), [0.1, 0.6, 0.3])
    parts = [
        found((tree,), [weight]).values for tree, weight in zip(trees, (0.1, 0.6), strict=True)
    ]
    assert both.share == pytest.approx(0.7) and (both.table["trees_share"] == both.share).all()
    for pair, values in both.values.items():
        np.testing.assert_allclose(values, parts[0][pair] + parts[1][pair], atol=1e-6)
    assert found((forest,), [0.3]).share == 0


def pooled_estimates():
    return pd.DataFrame(
        {
            "pooled_id": ["m1", "m2", "m3"], "doi": ["10.1/x", "10.1/y", None],
            "source_url": None, "comparator": "control", "measure": "SMD",
            "outcome_better": "higher", "estimate": [1.0, 2.0, 4.0], "ci_low": [0.5, 1.0, 3.0],
            "ci_high": [1.5, 3.0, 5.0], "k_studies": 10.0, "source": ["A", "A", "B"],
        }
    )  # fmt: skip


def test_every_pooled_estimate_stands_beside_a_forecast_that_did_not_use_it(simulated):
    corpus, effects, _ = simulated
    corpus = replace(corpus, pooled=pooled_estimates())
    few = replace(SMALL, baseline_by="source", candidates=(Candidate("ridge", ()),))
    model, _ = fit_forecaster(corpus, effects, few)
    table = compare_with_pools(model, corpus, effects, "source").set_index("pooled_id")
    assert set(table.index) == {"m1", "m2", "m3"}, "one without DOI or address is shown too"
    assert table.loc["m1", "forecast"] != table.loc["m2", "forecast"]
    bare, _ = fit_forecaster(corpus, effects, replace(few, prior="none"))
    table = compare_with_pools(bare, corpus, effects, "source").set_index("pooled_id")
    own = bare.blend.predict(corpus.frame[effects.informative])
    of_b = (corpus.frame["source"] == "B")[effects.informative]
    assert table.loc["m3", "forecast"] == pytest.approx(own[of_b].mean())
    assert table.loc["m1", "forecast"] == table.loc["m2", "forecast"]


def test_an_explanation_does_not_depend_on_the_order_of_rows(simulated, tmp_path):
    corpus, effects, _ = simulated
    few = replace(SMALL, candidates=SMALL.candidates[:2])
    model, _ = fit_forecaster(corpus, effects, few)
    mixed = np.random.default_rng(0).permutation(len(corpus))
    designs = corpus.frame.iloc[:2]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "interaction_99.png").touch()
    (tmp_path / "one/importance.csv").touch()
    (tmp_path / "one/notes.txt").touch()
    for name, rows in (("one", np.arange(len(corpus))), ("two", mixed)):
        part = corpus.take(rows), effects.take(rows)
        explain(model, *part, designs, ["a", "b"], tmp_path / name, resamples=3, jobs=1)
    one, two = ({path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    # Where no explanation lay, a file of such a name is somebody else's.
    assert one - two == {"notes.txt"} and two - one == {"interaction_99.png"}
    for name in one & two:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_an_earlier_explanation_left_goes_and_nothing_else(tmp_path):
    for name in ("shap_bar.png", "pools.png", "forest_3.png", "mine.png", "scores.csv"):
        (tmp_path / name).touch()
    remove_earlier(tmp_path, [tmp_path / "elsewhere/shap_bar.png"])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"shap_bar.png", "mine.png", "scores.csv"}


def test_an_address_without_a_model_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_download", lambda address: tmp_path)
    with pytest.raises(FaultyInput, match=r"runs:/1/explain: it holds no model"):
        load_model("runs:/1/explain")


def test_a_long_forest_hides_neither_side(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(forest, "_draw_study", lambda axis, one, y: drawn.append(one.lower))
    many = [
        Comparison("dose", "higher", "lower", f"s{k}", np.nan, np.nan, low, low + 1)
        for k, low in enumerate([0.0] * 60 + [-1.0] * 5)
    ]
    pooled = pd.Series({"factor": "dose", "level": "higher", "against": "lower", "g": np.nan,
                        "k": 65, "k_better": 60, "k_worse": 5, "k_measured": 0})  # fmt: skip
    forest.draw_forest(many, pooled, {}, tmp_path / "forest.png")
    assert set(drawn) == {0.0, -1.0} and len(drawn) < len(many)
