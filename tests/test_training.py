import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import check_estimator

from conftest import ROOT
from regencast.corpus import read_corpus
from regencast.effects import read_effects
from regencast.errors import FaultyInput
from regencast.forecasting import factor_shapley, read_designs, score_designs
from regencast.forecasting.score import COLUMNS
from regencast.models import CensoredRidge, IntervalBoosting, IntervalForest, RandomEffectsMean
from regencast.training import (
    Experiment,
    cross_validate,
    fit_forecaster,
    load_forecaster,
    read_folds,
    save_forecaster,
    skill,
    study_folds,
)

# Trees do not treat a weight of two exactly as two rows (row sampling, minimum leaf sizes).
UNEQUAL = {"check_sample_weight_equivalence_on_dense_data": "row sampling"}


@pytest.mark.parametrize(
    "estimator",
    [RandomEffectsMean(), CensoredRidge(), IntervalBoosting(), IntervalForest(n_estimators=10)],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_estimators_keep_scikit_learns_interface(estimator):
    trees = isinstance(estimator, IntervalBoosting | IntervalForest)
    check_estimator(estimator, expected_failed_checks=UNEQUAL if trees else {})


@given(st.lists(st.integers(0, 12), min_size=3, max_size=60), st.integers(2, 10))
def test_no_study_stands_on_both_sides(studies, n_folds):
    names = np.array(studies)
    fold = study_folds(names, n_folds, 0)
    assert (pd.Series(fold).groupby(names).nunique() == 1).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from conftest import simulate

    corpus = read_corpus(simulate(tmp_path_factory.mktemp("sim")))
    effects = read_effects(corpus)
    forecaster, _ = fit_forecaster(corpus, effects, Experiment())
    return corpus, effects, forecaster


def test_known_truth_is_found_and_forecasts_do_not_depend_on_jobs(trained):
    corpus, effects, forecaster = trained
    folds = study_folds(corpus.studies, 4, 1)
    one = cross_validate(corpus, effects, Experiment(), folds, jobs=1)
    two = cross_validate(corpus, effects, Experiment(), folds, jobs=2)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert skill(one)["r2cv"] > 0.2
    found = factor_shapley(forecaster, corpus.frame)
    values, base = found.values, found.base
    predicted = forecaster.forecast(corpus.frame)["predicted"]
    np.testing.assert_allclose(base + values.sum(axis=1), predicted, atol=1e-6)
    assert np.ptp(base) < 1e-4, "what the factors do not explain is the same for every design"
    strength = values.abs().mean()
    assert strength["source"] > strength["dose"] > strength["colour"]


def test_saved_model_gives_the_same_and_refuses_tampering(trained, tmp_path):
    corpus, _, forecaster = trained
    save_forecaster(forecaster, tmp_path / "model")
    again = load_forecaster(tmp_path / "model")
    pd.testing.assert_frame_equal(
        again.forecast(corpus.frame), forecaster.forecast(corpus.frame), rtol=1e-9
    )
    state = tmp_path / "model/forecaster.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"digest": "other"}))
    with pytest.raises(FaultyInput, match="changed after it was saved"):
        load_forecaster(tmp_path / "model")


def test_scores_carry_every_column_and_a_fault_stays_with_its_row(trained, tmp_path):
    _, _, forecaster = trained
    path = tmp_path / "designs.csv"
    path.write_text("source,dose,unit\nA,100,ug\nZ,1,ug\nB,,\n")
    scored = score_designs(forecaster, read_designs(path), "designs.csv")
    assert set(COLUMNS) <= set(scored)
    assert "row 3" in scored["fault"].iloc[1] and pd.isna(scored["score"].iloc[1])
    first, last = scored["score"].iloc[0], scored["score"].iloc[2]
    assert first > last and scored["score_low"].iloc[0] < first < scored["score_high"].iloc[0]


@pytest.mark.bench
@pytest.mark.slow
def test_ssri_anxiety_holds_its_skill_and_coverage(bench):
    corpus = read_corpus(bench / "ssri_anxiety")
    folds = read_folds(bench / "ssri_anxiety/folds.csv", corpus)
    table = cross_validate(corpus, read_effects(corpus), Experiment(), folds)
    result = skill(table)
    assert len(table) == len(corpus) and result["r2cv"] >= 0.25
    assert 0.85 <= result["coverage90"] <= 0.95


def test_shipped_corpus_has_no_fault():
    assert len(read_corpus(ROOT / "data/corpus")) >= 590
