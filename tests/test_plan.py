"""Planning against G*Power's published examples and the statistics it rests on."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm, t
from statsmodels.stats.power import TTestIndPower

from regencast.errors import FaultyInput
from regencast.forecasting import read_designs, score_designs
from regencast.forecasting.animals import (
    animals_for_assurance,
    animals_for_power,
    assurance,
    chance_of_benefit,
    power,
    with_attrition,
)
from regencast.forecasting.designs import typed_designs
from regencast.forecasting.plan import Wish, plan_designs, planning_effect
from regencast.forecasting.search import read_space, search_designs
from regencast.forecasting.sweep import sweep

SPACE = """
[levels]
source = ["A", "B"]
colour = ["red", "green"]
[ranges]
dose = {low = 1, high = 100, steps = 5, log = true}
[fixed]
unit = "ug"
[[rules]]
if = {source = "A"}
not = {colour = "red"}
"""
MANY = "".join(f"{name} = {{low = 2, high = 1001, steps = 1000}}\n" for name in ("n1", "n2"))


@pytest.mark.parametrize(
    ("effect", "wanted", "animals"),
    [
        # Two-sided t-test for two independent means, alpha 0.05: Cohen 1988, table 2.4.1 (d = 0.2,
        # 0.5, 0.8 for 0.80), and d = 0.5 for 0.95 as G*Power 3 gives it (105 per group).
        (0.2, 0.80, 394),
        (0.5, 0.80, 64),
        (0.8, 0.80, 26),
        (0.5, 0.95, 105),
    ],
)
def test_animals_match_published_examples(effect, wanted, animals):
    assert animals_for_power(effect, wanted) == animals


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30, 200])
def test_power_agrees_with_statsmodels_where_that_gives_a_number(n):
    effect = np.linspace(0.01, 2.5, 40)
    theirs = TTestIndPower().power(effect, n, 0.05, 1, alternative="two-sided")
    known = np.isfinite(theirs)
    np.testing.assert_allclose(power(effect, n)[known], theirs[known], atol=1e-5)


@given(st.floats(0.1, 4), st.floats(0.01, 3), st.integers(2, 200))
def test_assurance_lies_between_nothing_and_the_chance_of_benefit(mean, sd, n):
    found = assurance(mean, sd, n)
    assert 0 <= found <= 1
    # Where harm is possible a chance finding of benefit becomes rarer with n, by very little.
    assert assurance(mean, sd, n + 1) >= found - 0.005
    if mean / sd < 3:
        assert found <= norm.cdf(mean / sd) + 0.03


def test_assurance_of_a_sure_effect_is_its_power():
    assert assurance(0.8, 1e-9, 26) == pytest.approx(float(power(0.8, 26)), abs=1e-4)
    assert animals_for_assurance(0.8, 1e-9) == 26


@pytest.mark.parametrize("n", [2, 3, 10, 100, 1000])
@pytest.mark.parametrize("ratio", [0.8, 1.4, 2.0])
def test_assurance_agrees_with_a_dense_integral(n, ratio):
    # Over the true effect and the pooled variance, by equal parts of their distributions.
    few, many = ((np.arange(k) + 0.5) / k for k in (400, 3000))
    pooled = np.sqrt(chi2.ppf(few, 2 * n - 2) / (2 * n - 2))
    shift = (1.2 * ratio + 1.2 * norm.ppf(many)) * np.sqrt(n / 2)
    dense = norm.cdf(shift[:, None] - t.ppf(0.975, 2 * n - 2) * pooled).mean()
    assert assurance(1.2 * ratio, 1.2, n) == pytest.approx(dense, abs=5e-4)


def test_animals_for_assurance_give_it_and_one_less_does_not():
    # 400,000 simulated t-tests of 81 and of 301 animals per group: 0.801 and 0.900.
    assert animals_for_assurance(2.0, 2.0, 0.8) == 81
    assert animals_for_assurance(1.678, 1.182, 0.9) == pytest.approx(301, abs=3)
    for mean, sd, wanted in ((1.375, 1.179, 0.85), (2.0, 2.0, 0.8), (1.0, 0.5, 0.9)):
        n = animals_for_assurance(mean, sd, wanted)
        assert assurance(mean, sd, n) >= wanted > assurance(mean, sd, n - 1)


def test_an_assurance_out_of_reach_and_one_of_too_many_animals_are_told_apart(simulated, tmp_path):
    forecaster = simulated[2]
    (tmp_path / "designs.csv").write_text("source,dose,unit\nA,100,ug\n")
    frame = read_designs(tmp_path / "designs.csv")
    mean, sd = planning_effect(forecaster, typed_designs(forecaster, frame, "designs.csv"))
    benefit = chance_of_benefit(mean[0], sd[0])
    for wanted, said in ((benefit, "out of reach"), (benefit - 1e-4, "more than 1000 animals")):
        planned = plan_designs(forecaster, frame, "designs.csv", Wish(assurance=wanted)).iloc[0]
        assert said in planned["plan_note"] and planned["animals_per_group_assured"] is None


def test_more_doubt_asks_for_more_animals_until_none_suffice():
    counts = [animals_for_assurance(1.0, sd) for sd in (0.01, 0.4, 0.8)]
    assert counts == sorted(counts)
    assert animals_for_assurance(0.5, 1.0) is None


def test_attrition_is_added_and_never_lost_in_rounding():
    assert with_attrition(8, 0.2) == 10 and with_attrition(9, 0.1) == 10
    assert with_attrition(None, 0.2) is None


def test_a_plan_carries_scores_animals_and_warnings(simulated, tmp_path):
    _, _, forecaster = simulated
    path = tmp_path / "designs.csv"
    path.write_text("source,dose,unit,n1,n2\nA,100,ug,8,8\nB,1,ug,8,8\nZ,1,ug,8,8\n")
    planned = plan_designs(forecaster, read_designs(path), "designs.csv", Wish(attrition=0.2))
    strong, weak, faulty = (planned.iloc[k] for k in range(3))
    assert strong["animals_per_group"] < weak["animals_per_group"]
    assert strong["animals_per_group_assured"] >= strong["animals_per_group"]
    assert "row 4" in faulty["fault"] and pd.isna(faulty["animals_per_group"])


def test_a_search_says_what_a_score_says_of_what_is_left_open(simulated, tmp_path):
    forecaster = simulated[2]
    (tmp_path / "space.toml").write_text('[levels]\nsource = ["A"]\n')
    (tmp_path / "designs.csv").write_text("source\nA\n")
    found = search_designs(forecaster, read_space(tmp_path / "space.toml", forecaster), top=1)
    score = score_designs(forecaster, read_designs(tmp_path / "designs.csv"), "designs.csv")
    for column in ("score", "score_low", "score_high"):
        assert found[column].iloc[0] == pytest.approx(float(score[column].iloc[0]), abs=0.01)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('levels = ["A"]', "not understood"),
        ('[levels]\nsource = "A"', "need a list"),
        ('[fixed]\nsource = ["A", "B"]', "needs one value"),
        ('[fixed]\nsource = "A"\n[levels]\nsource = ["B"]', "two tables"),
        ("[ranges]\ndose = {low = 1, high = 2, step = 5}", "step is none of"),
        ('[levels]\nsource = ["A"]\n[[rules]]\nif = {source = "X"}\nnot = {source = "A"}',
         "a rule names a value"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_space_is_told(simulated, tmp_path, text, said):
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(FaultyInput, match=said):
        read_space(tmp_path / "space.toml", simulated[2])


def test_a_sweep_covers_the_published_range(simulated):
    corpus, _, forecaster = simulated
    found = sweep(forecaster, corpus.frame.iloc[[0]], "dose", corpus.frame["dose"].to_numpy(float))
    assert found["value"].min() >= 1 and found["value"].max() <= 100
    assert found["score"].iloc[-1] > found["score"].iloc[0], "more helps in the simulated truth"
    assert (found["score_low"] <= found["score"]).all()
    with pytest.raises(FaultyInput, match="no number that a design has"):
        sweep(forecaster, corpus.frame.iloc[[0]], "colour", np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("unit", "said"), [(None, "needs its unit"), ("ug_per_ml", "without its volume tells no dose")]
)
def test_a_sweep_of_a_dose_that_is_not_known_is_refused(simulated, unit, said):
    design = simulated[0].frame.iloc[[0]].assign(unit=unit)
    with pytest.raises(FaultyInput, match=said):
        sweep(simulated[2], design, "dose", np.array([1.0, 100.0]))


def test_a_search_finds_the_best_and_keeps_the_rules(simulated, tmp_path):
    _, _, forecaster = simulated
    (tmp_path / "space.toml").write_text(SPACE)
    space = read_space(tmp_path / "space.toml", forecaster)
    assert len(space) == 20 and sum(len(chunk) for chunk in space.chunks(3)) == 15
    found = search_designs(forecaster, space, top=3)
    assert set(found["criterion"]) == {"score", "cautious", "information"}
    best = found[found["criterion"] == "score"]
    # No study of the simulation has a dose between 10 and 100: which of the two is best is noise.
    assert best["source"].iloc[0] == "A" and best["dose"].iloc[0] > 10
    assert not ((found["source"] == "A") & (found["colour"] == "red")).any()
    assert best["score"].is_monotonic_decreasing
    assert found["never_together"].isna().all()


def test_a_search_names_levels_that_no_study_joined(parted, tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    found = search_designs(parted, read_space(tmp_path / "space.toml", parted), top=3)
    green = (found["source"] == "A") & (found["colour"] == "green")
    assert (found["never_together"].notna() == green).all() and green.any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SPACE.replace('"B"', '"Q"'), "no such level"),
        (SPACE.replace("colour =", "taste ="), "no such design column"),
        (SPACE.replace("log = true", "log = true, low = 0"), "not understood"),
        ("[levels]\n", "the space is empty"),
        ("[levels]\nsource = []\n", "no value to choose from"),
        ("[odd]\n", "the table is unknown"),
        (SPACE.replace('"ug"', '"ug_per_ml"'), "without its volume tells no dose"),
        (SPACE.replace("steps = 5", "steps = 1_000_000_000_000"), "1 to 1000 steps"),
        (SPACE.replace("steps = 5", "steps = 1000").replace("[fixed]", MANY + "[fixed]"),
         "the space has 4,000,000,000 designs"),
    ],
)  # fmt: skip
def test_faults_of_a_space_are_told(simulated, tmp_path, text, said):
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(FaultyInput, match=said):
        read_space(tmp_path / "space.toml", simulated[2])


DOSES = """
[levels]
dose_unit = ["ug", "ug_per_ml"]
volume_ul = [100, 0]
[fixed]
dose_value = 10
"""
RULE = '[[rules]]\nif = {dose_unit = "ug_per_ml"}\nnot = {volume_ul = 0}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DOSES, "column volume_ul: a volume of 0 holds no dose"),
        (DOSES.replace("= 10\n", "= 0\n") + RULE, "column dose_value: 0 is no dose"),
        ("[ranges]\nn_treated = {low = 5, high = 6, steps = 3}\n", "5.5'). Round it"),
        ("[levels]\nn_doses = [1, 1.5]\n", "it is not a whole number"),
    ],
)
def test_a_space_has_neither_doses_that_are_none_nor_parts_of_animals(
    shipped, tmp_path, text, said
):
    model = SimpleNamespace(blend=SimpleNamespace(encoder=shipped))
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(FaultyInput) as error:
        read_space(tmp_path / "space.toml", model)
    assert said in str(error.value) and len(error.value.faults) == 1
    (tmp_path / "space.toml").write_text(DOSES + RULE)
    assert len(read_space(tmp_path / "space.toml", model)) == 4


def test_designs_or_a_space_must_be_named():
    program = Path(sys.executable).parent / "regencast"
    done = subprocess.run([program, "plan", "-o", "x.csv"], capture_output=True, text=True)
    assert done.returncode == 2 and "--search" in done.stderr
