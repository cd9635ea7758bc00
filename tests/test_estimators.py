import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from conftest import SMALL
from regencast.corpus import read_corpus
from regencast.errors import FaultyInput
from regencast.models import Prior, RandomEffectsMean, StudyProcess, as_targets, log_likelihood
from regencast.models.baseline import fit_mean
from regencast.models.gaussian import MAX_ROWS
from regencast.training import cross_validate, read_experiment, skill
from regencast.training.prior import prior_estimates, prior_from_pooled


def among_directions(points):
    """Targets of 60 directions and a few points."""
    rng = np.random.default_rng(1)
    found = 1 + 0.9 * rng.normal(size=60) + 0.57 * rng.normal(size=60)
    lower = np.select([found > 1.1, found < -1.1], [1.1, -np.inf], -1.1)
    upper = np.select([found > 1.1, found < -1.1], [np.inf, -1.1], 1.1)
    variance = np.full(60 + len(points), 0.33)
    return as_targets(
        np.column_stack([np.append(lower, points), np.append(upper, points), variance])
    )


@pytest.mark.parametrize("gap", [0.0, 0.004, 0.3])
@pytest.mark.parametrize("prior", [Prior(1.2, 0.8, 0.9, 0.5), None])
def test_points_that_coincide_do_not_shrink_the_spread(gap, prior):
    targets = among_directions([1.5, 1.5 + gap])

    def loss(theta):
        sd = np.sqrt(np.exp(2 * theta[1]) + targets.variance)
        cost = -log_likelihood(theta[0], sd, targets.lower, targets.upper)[0].sum()
        if prior:
            cost += 0.5 * ((theta[0] - prior.mean) / prior.mean_sd) ** 2
            cost += 0.5 * ((theta[1] - np.log(prior.tau)) / prior.log_tau_sd) ** 2
        return cost

    options = {"xatol": 1e-8, "fatol": 1e-10}
    dense = minimize(loss, [1.0, -0.5], method="Nelder-Mead", options=options).x
    mean, tau2 = fit_mean(targets, np.ones(62), prior)
    assert mean == pytest.approx(dense[0], abs=1e-4)
    assert tau2 == pytest.approx(np.exp(2 * dense[1]), abs=1e-3)


def test_a_prior_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="no finite number"):
        fit_mean(among_directions([]), np.ones(60), Prior(1.0, np.nan))


def test_the_prior_leaves_out_what_has_no_estimate():
    pooled = pd.DataFrame(
        {
            "pooled_id": list("ab"), "comparator": "control", "measure": "SMD",
            "outcome_better": "higher", "estimate": [3.5, np.nan], "ci_low": 3.0, "ci_high": 4.0,
        }
    )  # fmt: skip
    assert len(prior_estimates(pooled)) == 1
    assert prior_from_pooled(pooled, "", ()) == prior_from_pooled(pooled.iloc[:1], "", ())


def test_a_share_of_one_is_all_features_however_it_is_written(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (80, 12)).astype(float)
    y = 2 * X[:, 0] + 0.3 * rng.normal(size=80)
    forecasts = []
    for text in ("1", "1.0"):
        plan = tmp_path / "plan.toml"
        family = 'family = "forest", n_estimators = 20'
        plan.write_text(f"candidates = [{{{family}, max_features = {text}}}]")
        forest = read_experiment(plan).candidates[0].build(0).fit(X, y)
        forecasts.append(forest.predict(X))
    assert (forecasts[0] == forecasts[1]).all()


def test_a_process_of_many_rows_learns_from_all_over_the_table(monkeypatch):
    monkeypatch.setattr("regencast.models.gaussian.MAX_ROWS", 100)
    rng = np.random.default_rng(0)
    late = np.arange(400) >= 200
    X = np.column_stack([late, rng.normal(size=400)]).astype(float)
    y = 1.5 * late + 0.3 * rng.normal(size=400)
    targets = np.column_stack([y, y, np.full(400, 0.05)])
    studies = np.char.add("s", np.repeat(np.arange(100), 4).astype(str))
    model = StudyProcess().fit(X, targets, groups=studies)
    assert len(model.places_) == 100 < MAX_ROWS
    assert model.predict([[0.0, 0.0], [1.0, 0.0]]) == pytest.approx([0.0, 1.5], abs=0.2)


def test_one_large_study_is_learned_from_all_over_too(monkeypatch):
    monkeypatch.setattr("regencast.models.gaussian.MAX_ROWS", 100)
    late = (np.arange(400) >= 200).astype(float)
    y = 1.5 * late + 0.3 * np.random.default_rng(0).normal(size=400)
    model = StudyProcess(baseline=RandomEffectsMean()).fit(
        late[:, None], np.column_stack([y, y, np.full(400, 0.05)]), groups=np.full(400, "s")
    )
    assert np.diff(model.predict([[0.0], [1.0]])) == pytest.approx(1.5, abs=0.3)


def test_a_fold_that_leaves_too_few_studies_is_named(package):
    corpus = read_corpus(package)
    five = np.unique(corpus.studies)[:5]
    few = corpus.take(np.isin(corpus.studies, five))
    folds = np.where(np.isin(few.studies, five[:2]), "a", few.studies)
    with pytest.raises(FaultyInput, match=r"without fold a only 3 studies .*more folds"):
        cross_validate(few, SMALL, folds)


def test_numbers_above_zero_that_show_no_difference_rank_below_the_better():
    better = np.repeat([1.0, 0.5], 30)
    table = pd.DataFrame(
        {
            "study_id": np.arange(60), "observed": np.nan, "observed_lower": 0.3,
            "observed_upper": 0.9, "observed_better": better, "variance": 0.3, "true_sd": 0.8,
            "baseline": 1.0, "predicted": better,
        }
    )  # fmt: skip
    assert skill(table)["auc"] == 1 and skill(table)["auc_baseline"] == 0.5
