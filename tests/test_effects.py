import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regencast.corpus import inspect_corpus, read_corpus
from regencast.effects import (
    critical_g,
    hedges_g,
    hedges_variance,
    read_effects,
    regeneration_score,
)
from regencast.errors import FaultyInput
from regencast.models import RandomEffectsMean

REFERENCE = json.loads((Path(__file__).parent / "reference/metafor_smd.json").read_text())
size = st.integers(2, 60)
number = st.floats(-50, 50)
spread = st.floats(0.1, 20)


def test_g_and_variance_agree_with_metafor():
    rows = {name: np.array(values, float) for name, values in REFERENCE["rows"].items()}
    g = hedges_g(*(rows[name] for name in ("m1", "m2", "s1", "s2", "n1", "n2")))
    np.testing.assert_allclose(g, rows["yi"], atol=1e-8)
    np.testing.assert_allclose(hedges_variance(g, rows["n1"], rows["n2"]), rows["vi"], atol=1e-8)


def test_baseline_agrees_with_metafor_ml():
    yi, vi = (np.array(REFERENCE["rows"][name], float) for name in ("yi", "vi"))
    fit = RandomEffectsMean().fit(np.zeros((len(yi), 1)), np.column_stack([yi, yi, vi]))
    assert fit.mean_ == pytest.approx(REFERENCE["mean"], abs=1e-6)
    assert fit.tau2_ == pytest.approx(REFERENCE["tau2"], abs=1e-5)


@given(number, number, spread, spread, size, size)
def test_swapping_the_groups_turns_the_sign(m1, m2, s1, s2, n1, n2):
    there = hedges_g(m1, m2, s1, s2, n1, n2)
    np.testing.assert_allclose(there, -hedges_g(m2, m1, s2, s1, n2, n1), atol=1e-9)


@given(st.floats(-5, 5), size, size)
def test_variance_is_positive_and_falls_with_n(g, n1, n2):
    assert 0 < hedges_variance(g, n1 + 1, n2) < hedges_variance(g, n1, n2)


def test_score_of_no_effect_is_50_and_rises():
    assert regeneration_score(0.0) == 50
    assert np.all(np.diff(regeneration_score(np.linspace(-4, 4, 50))) > 0)


def test_directions_become_intervals(package):
    corpus = read_corpus(package)
    effects = read_effects(corpus)
    rows = effects.kind == "direction"
    assert rows.any() and effects.measured.any()
    better = rows & (corpus.frame["direction"] == "better").to_numpy()
    assert (effects.lower[better] == 0).all() and np.isinf(effects.upper[better]).all()
    assert (critical_g([5, 20], [5, 20])[0]) > critical_g(20, 20)


@pytest.mark.parametrize(
    ("p", "stated", "low", "high"),
    [
        ("0.001", "not_stated", "bound", np.inf),
        ("0.6", "not_stated", "-bound", "bound"),
        ("0.05", "not_stated", 0, np.inf),
        ("", "significant", "bound", np.inf),
        ("", "not_stated", 0, np.inf),
    ],
)
def test_a_p_value_speaks_where_significance_is_not_stated(package, p, stated, low, high):
    add_tests(package, p_value=p, significance=stated, direction="better")
    found = read_effects(read_corpus(package))
    named = {"bound": float(critical_g(8, 8)), "-bound": -float(critical_g(8, 8))}
    assert found.lower[0] == pytest.approx(named.get(low, low))
    assert found.upper[0] == pytest.approx(named.get(high, high))


def test_no_difference_with_a_significant_p_is_a_fault(package):
    add_tests(package, p_value="0.001", significance="", direction="no_difference")
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.column) for fault in faults] == [(2, "p_value")]


def test_a_spread_of_no_kind_bounds_g(package):
    """Read as an SD it gives the greatest g, read as a standard error the least."""
    full = read_effects(read_corpus(package))
    kinds = ["sd", "sem"] * 100
    spread_as(package, kinds)
    named = read_effects(read_corpus(package))
    spread_as(package, [""] * 200)
    found = read_effects(read_corpus(package))
    rows = full.kind == "measured"
    assert rows.sum() > 20 and (found.kind[rows] == "bounded").all()
    assert np.isnan(found.point[rows]).all()
    inside = (found.lower <= named.point + 1e-9) & (named.point - 1e-9 <= found.upper)
    assert inside[rows].all()
    ends = np.isclose(named.point, found.lower) | np.isclose(named.point, found.upper)
    assert ends[rows].all() and (found.lower < found.upper)[rows].all()


def test_an_unreported_group_size_leaves_the_usual_ones(package):
    """Of an SD only the small-sample correction depends on them."""
    add_tests(package, m1="12", m2="10", s1="1", s2="1", n1="", n2="", direction="better")
    corpus = read_corpus(package)
    found = read_effects(corpus)
    few, many = np.percentile(corpus.role("n_treated").dropna().astype(float), [10, 90])
    assert found.kind[0] == "bounded"
    assert found.lower[0] == pytest.approx(hedges_g(12, 10, 1, 1, few, few))
    assert found.upper[0] == pytest.approx(hedges_g(12, 10, 1, 1, many, many))


def test_unreported_group_sizes_may_be_unlike(package):
    """With unlike spreads the extremes lie at unlike sizes, for these weigh the spreads."""
    add_tests(package, m1="60", m2="10", s1="4", s2="12", n1="", n2="", direction="better")
    corpus = read_corpus(package)
    found = read_effects(corpus)
    ends = [
        np.percentile(corpus.role(f"n_{arm}").dropna().astype(float), [10, 90])
        for arm in ("treated", "control")
    ]
    every = [hedges_g(60, 10, 4, 12, one, other) for one in ends[0] for other in ends[1]]
    assert found.lower[0] == pytest.approx(min(every))
    assert found.upper[0] == pytest.approx(max(every))
    assert found.upper[0] > hedges_g(60, 10, 4, 12, ends[0][1], ends[1][1]) + 0.1


@pytest.mark.parametrize(("ends", "told"), [(("1", "2"), []), (("15", "25"), ["smd"])])
def test_an_smd_lies_in_its_own_interval(package, ends, told):
    add_tests(package, smd="1.5", direction="better")
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    for name, end in zip(("smd_ci_low", "smd_ci_high"), ends, strict=True):
        described["resources"][0]["schema"]["fields"].append(
            {"name": name, "type": "number", "role": name}
        )
        table[name] = ""
        table.loc[0, name] = end
    path.write_text(json.dumps(described))
    table.to_csv(package / "contrasts.csv", index=False)
    assert [fault.column for fault in inspect_corpus(package)[1]] == told


def test_the_test_narrows_what_the_spread_leaves_open(package):
    add_tests(package, m1="12", m2="10", s1="1", s2="1", direction="better", p_value="0.01")
    spread_as(package, [""] * 200)
    found = read_effects(read_corpus(package))
    assert found.lower[0] == pytest.approx(critical_g(8, 8))
    assert found.upper[0] == pytest.approx(hedges_g(12, 10, 1, 1, 8, 8))


@pytest.mark.parametrize("stated", ["significant", "not_significant"])
def test_a_test_of_unknown_sizes_leaves_what_any_of_them_would(package, stated):
    add_tests(package, m1="11", m2="10", s1="1", s2="1", n1="", n2="",
              direction="better", significance=stated)  # fmt: skip
    corpus = read_corpus(package)
    found = read_effects(corpus)
    few, many = np.percentile(corpus.role("n_treated").dropna().astype(float), [10, 90])
    sizes = np.meshgrid(np.arange(few, many + 1), np.arange(few, many + 1))
    g = hedges_g(11, 10, 1, 1, *sizes)
    kept = g[(g >= critical_g(*sizes)) == (stated == "significant")]
    assert found.kind[0] == "bounded" and 0 < len(kept) < g.size
    assert found.lower[0] <= kept.min() and kept.max() <= found.upper[0]


@pytest.mark.parametrize(
    ("direction", "significance", "better"),
    [
        ("better", "significant", 1.0),
        ("better", "not_stated", 1.0),
        ("better", "not_significant", 0.5),
        ("no_difference", "not_stated", 0.5),
        ("worse", "not_significant", 0.5),
        ("worse", "significant", 0.0),
    ],
)
def test_a_stated_direction_tells_better_with_and_without_numbers(
    package, direction, significance, better
):
    sign = -1 if direction == "worse" else 1
    add_tests(package, direction=direction, significance=significance,
              m1=str(10 + 0.8 * sign), m2="10", s1="1", s2="1")  # fmt: skip
    numbers = read_effects(read_corpus(package))
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.loc[0, ["m1", "m2", "s1", "s2"]] = ""
    table.to_csv(package / "contrasts.csv", index=False)
    alone = read_effects(read_corpus(package))
    assert (numbers.kind[0], alone.kind[0]) == ("measured", "direction")
    assert numbers.better[0] == alone.better[0] == better


@pytest.mark.parametrize(
    ("mean", "better"), [("13", 1.0), ("10.3", 0.5), ("10", 0.5), ("9.7", 0.5), ("7", 0.0)]
)
def test_where_no_direction_is_stated_a_test_tells_better(package, mean, better):
    add_tests(package, direction="", m1=mean, m2="10", s1="1", s2="1")
    found = read_effects(read_corpus(package))
    assert found.kind[0] == "measured" and found.better[0] == better


def spread_as(package, kinds):
    """Say of each row what its spread is."""
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    fields = described["resources"][0]["schema"]["fields"]
    if all(field["name"] != "dispersion" for field in fields):
        fields.append({"name": "dispersion", "type": "string", "role": "dispersion"})
        path.write_text(json.dumps(described))
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table["dispersion"] = kinds[: len(table)]
    table.to_csv(package / "contrasts.csv", index=False)


@pytest.mark.parametrize(("p", "stated"), [("0.6", "significant"), ("0.01", "not_significant")])
def test_a_p_value_that_contradicts_its_significance_is_a_fault(package, p, stated):
    add_tests(package, p_value=p, significance=stated, direction="better")
    with pytest.raises(FaultyInput, match="contradicts the significance"):
        read_corpus(package)


@pytest.mark.parametrize("numbers", [{"smd": "-1.5"}, {"ratio": "1.6", "better": "lower"}])
def test_a_direction_that_contradicts_an_smd_or_ratio_is_a_fault(package, numbers):
    add_tests(package, direction="better", **numbers)
    with pytest.raises(FaultyInput, match="contradicts the numbers"):
        read_corpus(package)


def add_tests(package, **cells):
    """Give the first row, of eight animals a group and without means, what a paper says of it."""
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    for name in ("p_value", "significance", "smd", "ratio"):
        field = {"name": name, "type": "string", "role": name}
        described["resources"][0]["schema"]["fields"].append(field)
        table[name] = ""
    path.write_text(json.dumps(described))
    table.loc[0, ["m1", "m2", "s1", "s2"]] = ""
    table.loc[0, ["n1", "n2"]] = "8"
    for name, cell in cells.items():
        table.loc[0, name] = cell
    table.to_csv(package / "contrasts.csv", index=False)


METAFOR = """
d <- read.csv(commandArgs(TRUE)[1])
e <- metafor::escalc("SMD", m1i=m1, m2i=m2, sd1i=s1, sd2i=s2, n1i=n1, n2i=n2, data=d, digits=15)
write.csv(data.frame(yi=sprintf("%.15g", e$yi), vi=sprintf("%.15g", e$vi)),
          commandArgs(TRUE)[2], row.names=FALSE)
"""


@pytest.mark.bench
def test_200_real_rows_agree_with_metafor(bench, tmp_path):
    """metafor's own escalc, run where R has it; the pinned values above need no R."""
    has = (
        shutil.which("Rscript")
        and not subprocess.run(
            ["Rscript", "-e", "library(metafor)"], capture_output=True
        ).returncode
    )
    if not has:
        pytest.skip("R has no package metafor")
    parts = []
    for name in ("ssri_anxiety", "early_life_ieg"):
        corpus = read_corpus(bench / name)
        effects = read_effects(corpus)
        columns = {
            short: corpus.role(role).to_numpy(float)
            for short, role in (
                ("m1", "mean_treated"), ("m2", "mean_control"), ("s1", "sd_treated"),
                ("s2", "sd_control"), ("n1", "n_treated"), ("n2", "n_control"),
            )
        }  # fmt: skip
        sem = np.full(len(corpus), name == "early_life_ieg")
        for arm in "12":
            columns[f"s{arm}"] *= np.where(sem, np.sqrt(columns[f"n{arm}"]), 1.0)
        sign = corpus.role("outcome_better").map({"higher": 1.0, "lower": -1.0}).fillna(1.0)
        part = pd.DataFrame(columns).assign(g=effects.point * sign.to_numpy(), v=effects.variance)
        parts.append(part[effects.kind == "measured"])
    rows = pd.concat(parts).sample(200, random_state=1)
    rows.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "escalc.R").write_text(METAFOR)
    subprocess.run(
        ["Rscript", tmp_path / "escalc.R", tmp_path / "in.csv", tmp_path / "out.csv"], check=True
    )
    theirs = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(rows["g"], theirs["yi"], atol=1e-8)
    np.testing.assert_allclose(rows["v"], theirs["vi"], atol=1e-8)
