import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import truncnorm
from sklearn.ensemble import RandomForestRegressor
from sklearn.utils.estimator_checks import check_estimator

from conftest import SMALL
from regencast.corpus import read_corpus
from regencast.effects import Effects, read_effects
from regencast.errors import FaultyInput, fail
from regencast.explaining.importance import factor_importance
from regencast.forecasting import factor_shapley, read_designs, score_designs
from regencast.forecasting.score import COLUMNS
from regencast.models import (
    CensoredRidge,
    IntervalBoosting,
    IntervalForest,
    RandomEffectsMean,
    StudyProcess,
)
from regencast.models.likelihood import share_removed
from regencast.training import (
    Experiment,
    cross_validate,
    fit_forecaster,
    judge,
    load_forecaster,
    read_experiment,
    read_folds,
    save_forecaster,
    skill,
    study_folds,
)
from regencast.training.blend import trusted_share
from regencast.training.calibration import calibrate
from regencast.training.forecaster import planned_variance
from regencast.training.metrics import _auc, _order
from regencast.training.prior import prior_from_pooled
from regencast.training.trees import load_forest, save_forest

# A weight of two is not two rows: trees sample rows and count them in leaves, and in the process
# each row has a deviation of its own, which a weight does not halve.
UNEQUAL = {"check_sample_weight_equivalence_on_dense_data": "rows are counted"}


@pytest.mark.parametrize(
    "estimator",
    [
        RandomEffectsMean(),
        CensoredRidge(),
        IntervalBoosting(),
        IntervalForest(n_estimators=10),
        StudyProcess(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_estimators_keep_scikit_learns_interface(estimator):
    counted = isinstance(estimator, IntervalBoosting | IntervalForest | StudyProcess)
    check_estimator(estimator, expected_failed_checks=UNEQUAL if counted else {})


@given(st.lists(st.integers(0, 12), min_size=3, max_size=60), st.integers(2, 10))
def test_no_study_stands_on_both_sides(studies, n_folds):
    names = np.array(studies)
    fold = study_folds(names, n_folds, 0)
    assert (pd.Series(fold).groupby(names).nunique() == 1).all()


def test_one_fold_holds_nothing_out(simulated):
    corpus, _, _ = simulated
    with pytest.raises(FaultyInput, match="nothing can be held out"):
        cross_validate(corpus, SMALL, np.zeros(len(corpus), dtype=int))


@pytest.mark.slow
def test_a_cluster_gives_the_folds_and_resamples_of_one_process(simulated):
    from dask.distributed import LocalCluster

    corpus, effects, forecaster = simulated
    folds = study_folds(corpus.studies, 4, 1)
    one = cross_validate(corpus, SMALL, folds, jobs=1)
    sizes = factor_importance(forecaster, corpus, effects, resamples=20, jobs=1).resampled
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        many = cross_validate(corpus, SMALL, folds, cluster=address)
        found = factor_importance(forecaster, corpus, effects, resamples=20, cluster=address)
    pd.testing.assert_frame_equal(one, many, check_exact=True)
    np.testing.assert_array_equal(sizes, found.resampled)


def test_encoded_designs_are_forecast_like_their_table(simulated):
    corpus, _, forecaster = simulated
    X = forecaster.blend.encoder.transform(corpus.frame)
    table = forecaster.forecast(corpus.frame)
    sampling = planned_variance(corpus.frame, corpus.schema)
    whole = forecaster.forecast_encoded(X, sampling)
    pd.testing.assert_frame_equal(whole, table)
    parts = [
        forecaster.forecast_encoded(X[k : k + 7], sampling[k : k + 7]) for k in range(0, len(X), 7)
    ]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_distances_by_matrix_product_are_city_block_ones(simulated):
    corpus, _, forecaster = simulated
    support, X = forecaster.support, forecaster.blend.encoder.transform(corpus.frame)
    apart, names = support.distances(X[:50])
    plain = np.abs(support.places(X[:50])[:, None] - support.points[None]).sum(axis=2)
    nearest = [plain[:, support.studies == name].min(axis=1) for name in names]
    np.testing.assert_allclose(apart, np.column_stack(nearest), atol=1e-6)


def test_known_truth_is_found_and_forecasts_do_not_depend_on_jobs(simulated):
    corpus, _, forecaster = simulated
    folds = study_folds(corpus.studies, 4, 1)
    one = cross_validate(corpus, SMALL, folds, jobs=1)
    two = cross_validate(corpus, SMALL, folds, jobs=2)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert skill(one)["r2cv"] > 0.2
    found = factor_shapley(forecaster, corpus.frame)
    values, base = found.values, found.base
    predicted = forecaster.forecast(corpus.frame)["predicted"]
    np.testing.assert_allclose(base + values.sum(axis=1), predicted, atol=1e-6)
    assert np.ptp(base) < 1e-4, "what the factors do not explain is the same for every design"
    strength = values.abs().mean()
    assert strength["source"] > strength["dose"] > strength["colour"]


def test_saved_model_gives_the_same_and_refuses_tampering(simulated, tmp_path):
    corpus, _, forecaster = simulated
    save_forecaster(forecaster, tmp_path / "model")
    again = load_forecaster(tmp_path / "model")
    pd.testing.assert_frame_equal(
        again.forecast(corpus.frame), forecaster.forecast(corpus.frame), rtol=1e-9
    )
    state = tmp_path / "model/forecaster.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"digest": "other"}))
    with pytest.raises(FaultyInput, match="changed after it was saved"):
        load_forecaster(tmp_path / "model")


def test_scores_carry_every_column_and_a_fault_stays_with_its_row(simulated, tmp_path):
    _, _, forecaster = simulated
    path = tmp_path / "designs.csv"
    path.write_text("source,dose,unit\nA,100,ug\nZ,1,ug\nB,,\n")
    scored = score_designs(forecaster, read_designs(path), "designs.csv")
    assert set(COLUMNS) <= set(scored)
    assert "row 3" in scored["fault"].iloc[1] and pd.isna(scored["score"].iloc[1])
    first, last = scored["score"].iloc[0], scored["score"].iloc[2]
    assert first > last and scored["score_low"].iloc[0] < first < scored["score_high"].iloc[0]


def test_a_corpus_without_signal_gives_the_baseline_back(simulated):
    corpus, effects, _ = simulated
    dealt = np.random.default_rng(3).permutation(len(corpus))
    forecaster, _ = fit_forecaster(corpus, effects.take(dealt), SMALL)
    forecast = forecaster.forecast(corpus.frame)
    assert (forecast["predicted"] - forecast["baseline"]).abs().mean() < 0.15


def test_an_expected_gain_within_its_noise_is_not_trusted():
    studies = np.repeat(np.arange(30), 2)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 60)
    assert trusted_share(noise - noise.mean(), studies) == 0
    assert trusted_share(noise + 3, studies) > 0.9
    assert trusted_share(noise + 1, studies) < trusted_share(noise + 3, studies)


@pytest.mark.slow
def test_intervals_cover_new_studies():
    """Nominal 90 %: 40 simulated sets of 60 studies, judged on 200 new studies each."""
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(40):
        studies = np.repeat(np.arange(60), 3)
        sampling = rng.uniform(0.1, 0.4, len(studies))
        y = rng.gumbel(0, 0.5, 60)[studies] + rng.normal(0, np.sqrt(sampling))
        zero, far = np.zeros(len(y)), np.ones(len(y))
        effects = Effects(y, y, y, sampling, np.full(len(y), "measured", dtype=object), y > 0)
        learned = calibrate(zero, zero, far, effects, studies, sampling, 0.5, 1.2)
        v = rng.uniform(0.1, 0.4, 200)
        new = rng.gumbel(0, 0.5, 200) + rng.normal(0, np.sqrt(v))
        low, high = learned.interval(np.zeros(200), learned.true_sd(np.zeros(200), np.ones(200)), v)
        inside.append(np.mean((new >= low) & (new <= high)))
    assert 0.87 <= np.mean(inside) <= 0.94


def test_intervals_never_narrow_away_from_the_studies(simulated):
    calibration = simulated[2].calibration
    spread = calibration.true_sd(np.zeros(50), np.linspace(0, 10, 50))
    assert (np.diff(spread) >= 0).all() and spread[-1] > spread[0]


def test_the_prior_counts_a_meta_analysis_once_and_turns_the_sign():
    pooled = pd.DataFrame(
        {
            "pooled_id": list("abcd"), "source_url": ["p", "p", "q", "r"],
            "comparator": ["control"] * 3 + ["unmodified_ev"], "measure": "SMD",
            "outcome_better": ["higher", "lower", "higher", "higher"],
            "estimate": [1.0, -3.0, 4.0, 9.0], "ci_low": [0.5, -4.0, 3.0, 8.0],
            "ci_high": [1.5, -2.0, 5.0, 10.0], "k_studies": [10.0, 10.0, 12.0, 5.0],
            "tissue": "bone",
        }
    )  # fmt: skip
    prior = prior_from_pooled(pooled, "tissue", ("bone", "skin"))
    assert prior.mean == pytest.approx((2.0 + 4.0) / 2)
    assert prior.group_means[0] == pytest.approx(3.0) and np.isnan(prior.group_means[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = -1", "whole number from 0"),
        ("seed = true", "whole number from 0"),
        ("seed = 4294967296", "whole number from 0"),
        ("inner_folds = 1", "whole number from 2"),
        ("colour = 1", "the key is unknown"),
        ('prior = "mine"', "the prior is unknown"),
        ('candidates = [{family = "oracle"}]', "the family is unknown"),
        ('candidates = [{family = "ridge", depth = 2}]', "a setting of ridge is unknown"),
        ('candidates = [{family = "forest", random_state = 2}]', "a setting of forest is unknown"),
        ('candidates = [{family = "ridge", reach = -1}]', "a number above 0"),
        ('candidates = [{family = "ridge", reach = nan}]', "a number above 0"),
        ('candidates = [{family = "forest", n_estimators = 2.5}]', "a whole number from 1"),
        ('candidates = [{family = "ridge", use_intervals = "no"}]', "true or false"),
        ('candidates = [{family = "process", use_intervals = true}]', "it must be false"),
        ('candidates = [{family = "boosting", reg_lambda = 1e300}]', "a number from 0 to"),
        ('candidates = [{family = "ridge", reach = 1' + "0" * 400 + "}]", "a number above 0"),
        ("seed = 1" + "0" * 5000, "it is not TOML"),
        ('name = " "', "the name is empty"),
        ('file = "x"', "the key is unknown"),
        ('candidates = ["ridge"]', "a list of tables"),
        ("candidates = []", "a list of tables"),
        ("seed = ", "it is not TOML"),
    ],
)
def test_faults_of_an_experiment_are_told(tmp_path, text, said):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(FaultyInput, match=said):
        read_experiment(tmp_path / "plan.toml")


def test_faults_of_folds_are_told_together(simulated, tmp_path):
    corpus = simulated[0]
    table = pd.DataFrame({"contrast_id": corpus.contrasts, "fold": "1"})
    shared = corpus.studies[pd.Series(corpus.studies).duplicated()][0]
    first = np.flatnonzero(corpus.studies == shared)[0]
    table.loc[first, "fold"] = "2"
    pd.concat([table.iloc[:-1], table.iloc[[0]]]).to_csv(tmp_path / "folds.csv", index=False)
    with pytest.raises(FaultyInput) as caught:
        read_folds(tmp_path / "folds.csv", corpus)
    text = str(caught.value)
    assert "stands twice" in text and "has no fold" in text and "stands in two folds" in text
    table["fold"] = np.where(corpus.studies == shared, "", "1")
    table.to_csv(tmp_path / "folds.csv", index=False)
    with pytest.raises(FaultyInput, match="has no fold"):
        read_folds(tmp_path / "folds.csv", corpus)


def test_what_cannot_teach_a_model_is_refused_in_words(package):
    corpus = read_corpus(package)
    effects = read_effects(corpus)
    few = np.flatnonzero(np.isin(corpus.studies, np.unique(corpus.studies)[:3]))
    with pytest.raises(FaultyInput, match="only 3 studies to learn from say"):
        fit_forecaster(corpus.take(few), effects.take(few), SMALL)
    odd = replace(SMALL, baseline_by="sorce", file="plan.toml")
    with pytest.raises(FaultyInput, match=r"^plan.toml.*no such category .*sorce"):
        cross_validate(corpus, odd, study_folds(corpus.studies, 3, 1))


def test_faults_found_in_another_process_stay_whole(package):
    error = fail("corpus.csv", "it is wrong", "Mend it", row=3)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert again.faults == error.faults and str(again) == str(error)
    corpus = read_corpus(package)

    def read(part):
        if len(part) < len(corpus):
            raise error
        return read_effects(part)

    with pytest.raises(FaultyInput, match="it is wrong") as caught:
        cross_validate(corpus, SMALL, study_folds(corpus.studies, 3, 1), jobs=2, read=read)
    assert len(caught.value.faults) == 1 and len(str(caught.value).splitlines()) == 1


def test_another_value_of_a_number_that_all_studies_share_is_extrapolating(package, tmp_path):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table["dose"] = "10"
    table.to_csv(package / "contrasts.csv", index=False)
    corpus = read_corpus(package)
    model, _ = fit_forecaster(corpus, read_effects(corpus), SMALL)
    path = tmp_path / "designs.csv"
    row = "{},ug,A,red,8,8\n"
    rows = "".join(row.format(dose) for dose in (10, 12, 16, 1000, ""))
    path.write_text("dose,unit,source,colour,n1,n2\n" + rows)
    scored = score_designs(model, read_designs(path), "designs.csv")
    far = scored["support"] == "extrapolating"
    assert far.tolist() == [False, False, True, True, False]
    assert scored["beyond_studies"].notna().tolist() == far.tolist()
    assert "dose 1e+03 ug (studies 10)" in scored["beyond_studies"].iloc[3]
    assert scored["effect"].nunique() == 1, "no study tells what another dose does"


def test_designs_that_do_not_vary_give_the_baseline(package):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table[["source", "colour", "dose", "n1", "n2"]] = ["A", "red", "1", "8", "8"]
    table.to_csv(package / "contrasts.csv", index=False)
    corpus = read_corpus(package)
    model, _ = fit_forecaster(corpus, read_effects(corpus), SMALL)
    found = model.forecast(corpus.frame.iloc[:2])
    assert found["predicted"].to_numpy() == pytest.approx(found["baseline"].to_numpy(), abs=0.02)


@given(st.floats(-4, 4), st.floats(0.2, 3), st.floats(-3, 3), st.floats(0.1, 5), st.booleans())
def test_the_share_that_an_interval_removes_is_that_of_the_truncated_normal(
    mean, sd, low, width, open_end
):
    high = np.inf if open_end else low + width
    # Farther out the log probability has its floor, and a wild row no weight.
    assume(max(low - mean, mean - high) < 8 * sd)
    expected = 1 - truncnorm.var((low - mean) / sd, (high - mean) / sd)
    share = share_removed(*(np.array([x], dtype=float) for x in (mean, sd, low, high)))
    assert share[0] == pytest.approx(expected, abs=2e-4)


def test_a_group_whose_effects_coincide_keeps_its_prior():
    # A group's prior is worth ten measured rows: (2/t m + 10/t M) / (12/t).
    rng = np.random.default_rng(0)
    effects, members = rng.normal(1, 0.9, 60), np.zeros((60, 2))
    effects[:2], members[:2, 0], members[2:, 1] = 3.0, 1, 1
    targets = np.column_stack([effects, effects, np.full(60, 0.3)])
    found = RandomEffectsMean(group_columns=(0, 1)).fit(members, targets)
    assert found.group_means_[0] == pytest.approx((2 * 3 + 10 * found.mean_) / 12, abs=1e-3)


def test_rows_without_evidence_do_not_dilute_the_log_score():
    table = held_out(30, 0.5)
    silent = table.iloc[:10].assign(
        observed=np.nan,
        observed_lower=-np.inf,
        observed_upper=np.inf,
        observed_better=np.nan,
        study_id="silent",
    )
    assert skill(pd.concat([table, silent], ignore_index=True))["log_score_gain"] == pytest.approx(
        skill(table)["log_score_gain"]
    )


def held_out(n_studies, predicted):
    """Held-out rows of which the truth is 0 or 2, forecast by a share of it."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, n_studies) * 2.0
    y = truth + rng.normal(0, 0.3, n_studies)
    return pd.DataFrame(
        {
            "study_id": np.arange(n_studies), "observed": y, "observed_lower": y,
            "observed_upper": y, "observed_better": truth / 2, "variance": 0.1, "baseline": 1.0,
            "predicted": 1.0 + predicted * (truth - 1.0), "low90": -1.0, "high90": 3.0,
            "true_sd": 1.0,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("predicted", "skilled", "said"),
    [
        (0.9, True, "explains"),
        (0.0, False, "teaches nothing beyond its average"),
        (-0.5, False, "No skill beyond the baseline is shown"),
    ],
)
def test_the_verdict_says_what_held_out_studies_show(predicted, skilled, said):
    verdict = judge(held_out(60, predicted))
    assert verdict.skilled is skilled and said in verdict.sentence


def test_with_few_measured_studies_skill_in_size_is_not_judged():
    verdict = judge(held_out(10, 0.9))
    assert "cannot be judged" in verdict.sentence and not verdict.skilled
    assert "r2cv" not in skill(held_out(10, 0.9))


def told(better, baseline, predicted):
    """Held-out rows that tell a direction alone, each of its own study."""
    return pd.DataFrame(
        {
            "study_id": np.arange(len(better)), "observed": np.nan,
            "observed_lower": np.where(better, 0.9, -np.inf),
            "observed_upper": np.where(better, np.inf, 0.0), "observed_better": better * 1.0,
            "variance": 0.3, "true_sd": 0.8, "baseline": baseline, "predicted": predicted,
        }
    )  # fmt: skip


def test_a_shift_of_all_forecasts_tells_nothing_apart():
    rng = np.random.default_rng(0)
    better, noise = rng.random(300) < 0.7, rng.normal(0, 0.3, 300)
    shifted = judge(told(better, 0.2, 0.6))
    assert not shifted.skilled and "no skill in ranking beyond it is shown" in shifted.sentence
    reversed_ = judge(told(better, np.where(better, 0.21, 0.2), 0.7 - 0.05 * better))
    assert not reversed_.skilled and "no skill in ranking" in reversed_.sentence
    ranked = judge(told(better, 0.4, 0.2 + better + noise))
    assert ranked.skilled and "better and not better are told apart" in ranked.sentence


def test_the_share_of_pairs_in_order_is_that_of_counting_them():
    rng = np.random.default_rng(1)
    forecast, better = rng.integers(0, 5, 40) / 10, rng.random(40) < 0.5
    weight = rng.integers(0, 3, 40)
    won, lost = (np.repeat(forecast[kind], weight[kind]) for kind in (better, ~better))
    gaps = won[:, None] - lost[None, :]
    expected = np.mean((gaps > 0) + 0.5 * (gaps == 0))
    assert _auc(_order(pd.Series(forecast)), better, weight) == pytest.approx(expected)


def test_the_verdict_says_where_folds_and_final_model_differ():
    flat, moved = held_out(60, 0.0), held_out(60, 0.9)
    assert "does depart from the baseline" in judge(flat, departs=True).sentence
    for table in (flat, moved):
        assert judge(table, departs=False).sentence.endswith("every forecast is the baseline's.")
    assert judge(moved, departs=True) == judge(moved)


@pytest.mark.bench
@pytest.mark.slow
def test_ssri_anxiety_holds_its_skill_and_coverage(bench):
    corpus = read_corpus(bench / "ssri_anxiety")
    folds = read_folds(bench / "ssri_anxiety/folds.csv", corpus)
    table = cross_validate(corpus, Experiment(), folds)
    result = skill(table)
    assert len(table) == len(corpus) and result["r2cv"] >= 0.25
    assert 0.85 <= result["coverage90"] <= 0.95


@pytest.fixture
def forest():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return RandomForestRegressor(5, random_state=0).fit(X, X[:, 0] + rng.normal(size=60)), X


def test_a_forest_is_read_back_as_it_was(forest, tmp_path):
    grown, X = forest
    save_forest(grown, tmp_path / "forest.npz")
    again = load_forest(tmp_path / "forest.npz", 3)
    np.testing.assert_array_equal(again.predict(X), grown.predict(X))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda saved: saved["nodes"]["left_child"].__setitem__(0, 10**6), "damaged"),
        (lambda saved: saved["nodes"]["right_child"].__setitem__(0, 0), "damaged"),
        (lambda saved: saved["nodes"]["feature"].__setitem__(0, 3), "damaged"),
        (lambda saved: saved["values"].__setitem__(0, np.nan), "damaged"),
        (lambda saved: saved.pop("values"), "no forest"),
        (lambda saved: saved.update(nodes=saved["values"]), "no forest"),
        (lambda saved: saved.update(counts=saved["counts"][:-1]), "no forest"),
    ],
)
def test_a_damaged_forest_is_refused(forest, tmp_path, spoil, said):
    save_forest(forest[0], tmp_path / "forest.npz")
    saved = dict(np.load(tmp_path / "forest.npz"))
    spoil(saved)
    np.savez(tmp_path / "spoilt.npz", **saved)
    with pytest.raises(FaultyInput, match=said):
        load_forest(tmp_path / "spoilt.npz", 3)


@pytest.mark.parametrize("size", [0, 100, -30])
def test_a_forest_cut_short_is_refused(forest, tmp_path, size):
    save_forest(forest[0], tmp_path / "forest.npz")
    whole = (tmp_path / "forest.npz").read_bytes()
    (tmp_path / "forest.npz").write_bytes(whole[:size])
    with pytest.raises(FaultyInput, match="no forest"):
        load_forest(tmp_path / "forest.npz", 3)


def test_training_folds_borrow_nothing_from_the_studies_that_they_forecast(simulated):
    corpus = simulated[0]
    folds = study_folds(corpus.studies, 3, 1)
    parts = []

    def read(part):
        parts.append(set(part.contrasts))
        return read_effects(part)

    cross_validate(corpus, SMALL, folds, jobs=1, read=read)
    seen = [set(corpus.contrasts[folds != name]) for name in dict.fromkeys(folds)]
    assert all(part in parts for part in seen) and len(parts) == len(seen) + 1


@pytest.mark.slow
def test_the_order_of_rows_changes_no_forecast(simulated):
    corpus, effects, forecaster = simulated
    mixed = np.random.default_rng(0).permutation(len(corpus))
    again, _ = fit_forecaster(corpus.take(mixed), effects.take(mixed), SMALL)
    pd.testing.assert_frame_equal(
        again.forecast(corpus.frame), forecaster.forecast(corpus.frame), check_exact=True
    )
