"""What designs leave open, why a forecast is what it is, whom to read, and the served model."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, SMALL, run, scored, simulate
from regencast.corpus import read_corpus
from regencast.effects import Effects, read_effects
from regencast.errors import FaultyInput
from regencast.forecasting import (
    average_unknown,
    check_designs,
    found_text,
    precedents,
    read_designs,
    score_designs,
    understand,
    unknown,
)
from regencast.forecasting.attribution import OPEN, stated_shapley
from regencast.forecasting.designs import new_levels, typed_designs
from regencast.forecasting.stream import parquet_chunks, score_chunks
from regencast.training import Experiment, fit_forecaster
from regencast.training.experiment import Candidate
from regencast.training.published import Published


def test_what_is_left_open_widens_the_interval_and_is_named(forecaster, tmp_path):
    rows = "source,colour,dose,unit,n1,n2\nA,red,100,ug,8,8\n,red,100,ug,8,8\nB,red,100,ug,8,8\n"
    found = scored(forecaster, tmp_path, rows)
    width = (found["effect_high"] - found["effect_low"]).astype(float)
    assert width.iloc[1] > width.iloc[0]
    assert found["effect"].iloc[2] < found["effect"].iloc[1] < found["effect"].iloc[0]
    assert found["would_narrow"].iloc[1].startswith("source")


def test_levels_that_no_study_joined_are_named(forecaster, parted, tmp_path):
    text = "source,colour,dose,unit\nA,green,100,ug\nA,red,100,ug\nB,green,100,ug\nA,,100,ug\n"
    assert scored(forecaster, tmp_path, text)["never_together"].isna().all(), "all were tried"
    told = scored(parted, tmp_path, text)["never_together"]
    assert told.iloc[0] == "source A with colour green" and told.iloc[1:].isna().all()
    # Among two studies no pair is to be expected three times: absence says nothing.
    support = parted.support
    few = np.isin(support.studies, np.unique(support.studies)[:2])
    thin = replace(support, points=support.points[few], studies=support.studies[few])
    assert scored(replace(parted, support=thin), tmp_path, text)["never_together"].isna().all()


def test_a_number_beyond_the_studies_is_marked_and_carries_the_forecast_no_further(
    forecaster, tmp_path
):
    doses = (100, 140, 1e4, 1e9, 1e-3)
    rows = "".join(f"A,red,{dose},ug,8,8\n" for dose in doses)
    found = scored(forecaster, tmp_path, f"source,colour,dose,unit,n1,n2\n{rows}")
    far = [False, False, True, True, True]
    assert (found["support"] == "extrapolating").tolist() == far
    effect = found["effect"].astype(float)
    assert effect.iloc[2] == pytest.approx(effect.iloc[3]), "it stays where the studies end"
    assert abs(effect.iloc[3] - effect.iloc[0]) < 0.5
    width = (found["effect_high"] - found["effect_low"]).astype(float)
    assert (width.iloc[2:5] > width.iloc[0]).all()
    assert "dose" not in str(found["pushes_down"].iloc[3])
    named = found["beyond_studies"]
    assert named.notna().tolist() == far
    assert named.iloc[2].startswith("dose 1e+04 ug (studies 1 to 100)")


def test_a_new_level_is_refused_or_marked_as_extrapolating(forecaster, tmp_path):
    text = "source,colour,dose,unit,n1,n2\nQ,red,100,ug,8,8\n"
    assert "nearest are" in scored(forecaster, tmp_path, text)["fault"].iloc[0]
    allowed = scored(forecaster, tmp_path, text, allow_new=True).iloc[0]
    assert allowed["support"] == "extrapolating" and pd.isna(allowed["fault"])
    known = scored(forecaster, tmp_path, text.replace("Q", "A")).iloc[0]
    assert (
        allowed["effect_high"] - allowed["effect_low"] > known["effect_high"] - known["effect_low"]
    )


def test_averages_do_not_depend_on_the_other_rows(forecaster, simulated):
    frame = simulated[0].frame.iloc[:6].copy()
    frame.loc[frame.index[:3], "source"] = None
    typed, _ = check_designs(frame, forecaster.blend.encoder, "x")
    together = average_unknown(forecaster, typed)
    alone = average_unknown(forecaster, typed.iloc[[1]])
    assert together["predicted"].iloc[1] == pytest.approx(alone["predicted"].iloc[0], abs=1e-9)
    assert not new_levels(typed, forecaster.blend.encoder).any()


def averaged(forecaster, design, corpus, columns):
    """Forecast one design with every row's values of some columns, and take mean and spread."""
    every = pd.concat([design] * len(corpus), ignore_index=True)
    every[columns] = corpus.frame[columns].to_numpy()
    found = forecaster.blend.predict(every)
    return found.mean(), found.std()


@pytest.mark.parametrize(
    ("columns", "most", "within"),
    [(["source"], 48, 1e-6), (["dose", "unit"], 48, 1e-6), (["n1", "n2"], 6, 0.03)],
)
def test_one_open_factor_is_averaged_over_all_published_values(
    simulated, monkeypatch, columns, most, within
):
    corpus, _, forecaster = simulated
    monkeypatch.setattr(unknown, "DRAWS", most)
    design = typed_designs(forecaster, corpus.frame.iloc[[0]].copy(), "x")
    mean, spread = averaged(forecaster, design, corpus, columns)
    blank = design.copy()
    blank[columns] = None
    blank = typed_designs(forecaster, blank, "x")
    found = average_unknown(forecaster, blank, narrowing=True).iloc[0]
    assert found["predicted"] == pytest.approx(mean, abs=within)
    distance = found["remoteness"] * forecaster.support.unit
    alone = forecaster.forecast(blank, distance=np.array([distance]), predicted=np.array([mean]))
    alone = alone["true_sd"].iloc[0]
    assert found["true_sd"] == pytest.approx(np.hypot(alone, spread), abs=within)
    if columns == ["source"]:
        assert found["would_narrow"] == f"source (+-{spread:.2f} g)"


def test_what_is_open_is_as_remote_as_published_values_are(simulated):
    corpus, _, forecaster = simulated
    design = typed_designs(forecaster, corpus.frame.iloc[[0]].copy(), "x")
    for column, values in (("source", ["A", "B"]), ("colour", ["red", "green"])):
        stated = [average_unknown(forecaster, design.assign(**{column: v})) for v in values]
        left_open = average_unknown(forecaster, design.assign(**{column: None}))
        remote = [one["remoteness"].iloc[0] for one in stated]
        assert left_open["remoteness"].iloc[0] in remote, "two values: the median is one of them"


def test_a_contrast_is_its_own_nearest_whatever_the_order_of_the_file(simulated):
    corpus, effects, forecaster = simulated
    turned = np.random.default_rng(0).permutation(len(corpus))
    for rows in (np.arange(len(corpus)), turned):
        here, found = corpus.take(rows), effects.take(rows)
        designs = typed_designs(forecaster, here.frame.iloc[:20].copy(), "x")
        nearest = precedents(forecaster, here, found, designs, list(here.contrasts[:20]))
        first = nearest[nearest["place"] == 1]
        assert (first["distance"] == 0).all()
        same = here.frame.set_index("contrast")[["source", "colour", "dose", "n1", "n2"]]
        # Another contrast may have the very same design.
        assert (same.loc[first["contrast"]].to_numpy() == same.loc[first["design"]]).all(axis=None)


def test_several_open_factors_are_averaged_over_all_published_values_together(simulated):
    corpus, _, forecaster = simulated
    blank = corpus.frame.iloc[[0]].copy()
    blank[["source", "dose", "unit"]] = None
    found = average_unknown(forecaster, typed_designs(forecaster, blank, "x"))["predicted"].iloc[0]
    every = corpus.frame.sample(4000, replace=True, random_state=0).reset_index(drop=True)
    every["source"] = corpus.frame["source"].sample(4000, replace=True, random_state=1).to_numpy()
    for column in ("colour", "n1", "n2"):
        every[column] = blank[column].iloc[0]
    assert found == pytest.approx(forecaster.blend.predict(every).mean(), abs=0.04)


def test_averages_do_not_depend_on_the_order_of_the_studies_rows(simulated):
    corpus, _, forecaster = simulated
    support = forecaster.support
    turned = replace(support, points=support.points[::-1], studies=support.studies[::-1])
    blank = corpus.frame.iloc[:2].copy()
    blank[["source", "n1", "n2"]] = None
    typed = typed_designs(forecaster, blank, "x")
    one, other = (
        average_unknown(model, typed)["predicted"]
        for model in (forecaster, replace(forecaster, support=turned))
    )
    pd.testing.assert_series_equal(one, other)


def test_few_of_many_values_stand_for_all_in_their_shares():
    rng = np.random.default_rng(0)
    values, counts = np.sort(rng.normal(size=300)), rng.integers(1, 30, 300)
    few = Published(np.array([0]), values[:, None], counts).spread(48)
    assert few.mean() == pytest.approx(np.average(values, weights=counts), abs=0.03)
    common = Published(np.array([0]), np.array([[0.0], [1.0]]), np.array([957, 43])).spread(48)
    assert common.sum() == 2, "4.3 % of 48"


def test_a_half_filled_dose_is_averaged_and_a_dose_of_zero_is_told(forecaster, tmp_path):
    rows = "source,colour,dose,unit,n1,n2\nA,red,,,8,8\nA,red,,ug,8,8\nA,red,0,ug,8,8\n"
    found = scored(forecaster, tmp_path, rows)
    assert found["effect"].nunique() == 1 and found["effect_low"].nunique() == 1
    assert found["would_narrow"].str.startswith("dose").all()
    said = found["understood"]
    assert pd.isna(said.iloc[0]) and "unit without dose: the dose is taken as open" in said.iloc[1]
    assert "dose of 0 is no dose" in said.iloc[2]


def test_how_often_an_open_dose_is_given_is_kept(tmp_path):
    folder = simulate(tmp_path / "sim")
    table = pd.read_csv(folder / "contrasts.csv")
    table.insert(5, "n_doses", np.random.default_rng(0).choice([1, 4, 12], len(table)))
    table.to_csv(folder / "contrasts.csv", index=False)
    package = json.loads((folder / "datapackage.json").read_text())
    field = {"name": "n_doses", "role": "factor", "type": "number", "kind": "number"}
    package["resources"][0]["schema"]["fields"].insert(5, {**field, "group": "dose"})
    (folder / "datapackage.json").write_text(json.dumps(package))
    corpus = read_corpus(folder)
    teach = Experiment(inner_folds=3, candidates=(Candidate("ridge", (("reach", 0.1),)),))
    forecaster, _ = fit_forecaster(corpus, read_effects(corpus), teach)
    design = corpus.frame.iloc[[0]].assign(n_doses=4.0)
    mean, _ = averaged(forecaster, design, corpus, ["dose", "unit"])
    blank = design.assign(dose=None, unit=None)
    found = average_unknown(forecaster, typed_designs(forecaster, blank, "x"))["predicted"]
    assert found.iloc[0] == pytest.approx(mean, abs=1e-6)


def test_a_group_whose_size_is_not_given_is_as_large_as_the_other(forecaster, tmp_path):
    rows = "source,colour,dose,unit,n1,n2\n" + "".join(
        f"A,red,100,ug,{sizes}\n" for sizes in ("2,", ",2", "2,2")
    )
    found = scored(forecaster, tmp_path, rows)
    for column in ("effect", "effect_low", "effect_high"):
        assert found[column].nunique() == 1
    assert found["understood"].iloc[0] == "n2 is taken as n1"


def test_reasons_are_what_the_design_states_and_add_up_to_its_forecast(forecaster, tmp_path):
    text = "source,colour,dose,unit,n1,n2\n,red,100,ug,8,8\nA,red,,ug,8,\nA,red,100,ug,8,8\n"
    found = scored(forecaster, tmp_path, text)
    pushes = found["pushes_up"] + found["pushes_down"]
    for row, factor in ((2, "source"), (3, "dose")):
        assert f"{factor} (" not in pushes[row] and OPEN in pushes[row]
    assert OPEN not in pushes[4] and "source" in pushes[4] and "dose" in pushes[4]
    typed = typed_designs(forecaster, read_designs(tmp_path / "designs.csv"), "x")
    predicted = average_unknown(forecaster, typed)["predicted"]
    values, base = stated_shapley(forecaster, unknown.equal_groups(
        typed, forecaster.blend.encoder.schema), predicted.to_numpy())  # fmt: skip
    np.testing.assert_allclose(base + values.sum(axis=1), predicted, atol=1e-8)
    assert values.isna().sum(axis=1).tolist() == [1, 1, 1]


def test_precedents_say_what_agrees_and_what_was_found(forecaster, simulated):
    corpus, effects, _ = simulated
    design = corpus.frame.iloc[[0]]
    typed, _ = check_designs(design, forecaster.blend.encoder, "x")
    found = precedents(forecaster, corpus, effects, typed, ["mine"])
    assert len(found) == 5 and found["place"].tolist() == [1, 2, 3, 4, 5]
    assert found["distance"].is_monotonic_increasing
    assert found["study"].iloc[0] == corpus.studies[0], "its own study is the nearest"
    assert f"source {design['source'].iloc[0]}" in found["agrees"].iloc[0]
    assert found["found"].str.len().gt(0).all()


def test_what_was_found_gives_the_range_that_an_unclear_spread_leaves(simulated):
    corpus = simulated[0].take(np.array([0]))
    kind = np.array(["bounded"], dtype=object)
    bounds = (np.array([x]) for x in (np.nan, 0.7, 2.1, 0.3))
    direction = corpus.frame["direction"].iloc[0]
    assert (
        found_text(Effects(*bounds, kind, np.array([1.0])), corpus, 0)
        == f"{direction}, g 0.70 to 2.10"
    )


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_the_logged_model_is_served_and_answers_a_post(trained):
    folder, _ = trained
    env = dict(os.environ) | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/experiments/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1",
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
    }  # fmt: skip
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/regencast@champion",
         "--env-manager", "local", "--port", str(port), "--host", "127.0.0.1"],
        cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    rows = [
        {"source": "A", "colour": None, "dose": 100.0, "unit": "ug", "n1": 8.0, "n2": 8.0},
        {"source": "B", "colour": "red", "dose": None, "unit": None, "n1": 8.0, "n2": 8.0},
    ]
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
    )
    try:
        answer = None
        for _ in range(90):
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
                    answer = json.loads(reply.read())["predictions"]
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(1)
        assert answer is not None, "the server did not answer in 90 seconds"
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)
    table = pd.DataFrame(answer)
    assert len(table) == 2 and table["score"].iloc[0] > table["score"].iloc[1]
    assert {"score_low", "support", "verdict", "fault"} <= set(table)
    assert np.isfinite(table["effect"].astype(float)).all()


def big(folder, rows=900):
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {
            "name": [f"d{k}" for k in range(rows)], "source": rng.choice(["A", "B"], rows),
            "colour": rng.choice(["red", "green"], rows), "dose": rng.choice([1.0, 10.0], rows),
            "unit": "ug", "n1": 8.0, "n2": 8.0,
        }
    )  # fmt: skip
    table.loc[5, "source"] = "Q"
    table.to_parquet(folder / "many.parquet")
    return table


def test_chunks_give_the_numbers_of_one_table(forecaster, tmp_path):
    table = big(tmp_path)
    path = tmp_path / "many.parquet"
    parts = list(score_chunks(forecaster, parquet_chunks(path, 250), "many"))
    assert [len(part) for part in parts] == [250, 250, 250, 150]
    together = score_designs(forecaster, read_designs(path), "many")
    np.testing.assert_allclose(
        pd.concat(parts)["score"], together["score"].astype(float), atol=1e-9
    )
    assert "row 7" in parts[0]["fault"].iloc[5] and len(table) == len(together)


@pytest.mark.slow
def test_a_cluster_gives_the_numbers_of_one_process_even_when_a_worker_dies(forecaster, tmp_path):
    from dask.distributed import Client, LocalCluster

    big(tmp_path)
    path = tmp_path / "many.parquet"
    one = pd.concat(score_chunks(forecaster, parquet_chunks(path, 100), "many"))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        parts = []
        address = cluster.scheduler_address
        stream = score_chunks(forecaster, parquet_chunks(path, 100), "many", cluster=address)
        for place, part in enumerate(stream):
            parts.append(part)
            if place == 1:
                os.kill(next(iter(client.run(os.getpid).values())), 9)
        many = pd.concat(parts)
    pd.testing.assert_frame_equal(one, many)


def test_an_address_where_no_scheduler_is_gets_one_message(forecaster, tmp_path):
    big(tmp_path, 10)
    chunks = parquet_chunks(tmp_path / "many.parquet")
    with pytest.raises(FaultyInput, match="no Dask scheduler answers"):
        list(score_chunks(forecaster, chunks, "many", cluster="tcp://127.0.0.1:1"))


@pytest.mark.slow
def test_a_parquet_file_is_scored_from_the_command_line(trained):
    folder, _ = trained
    big(folder, 60)
    result = run("score", "many.parquet", "-o", "many_scores.parquet", cwd=folder)
    assert result.returncode == 1 and "row 7" in result.stderr and "1 designs" in result.stderr
    scores = pd.read_parquet(folder / "many_scores.parquet")
    assert len(scores) == 60 and scores["score"].notna().sum() == 59
    assert not list(folder.glob(".*part*"))


@pytest.mark.slow
def test_twelve_proposals_come_back_as_their_authors_would_hope():
    corpus = read_corpus(ROOT / "data/corpus")
    model, _ = fit_forecaster(corpus, read_effects(corpus), SMALL)
    frame = read_designs(ROOT / "data/proposals/as_written.csv")
    meant, _ = understand(frame, model.blend.encoder, model.synonyms)
    result = score_designs(model, frame, "as_written.csv").set_index("idea")
    assert len(result) == 12 and result["fault"].notna().sum() == 1
    assert "drops" in result["fault"]["wrong unit"] and "row 12" in result["fault"]["wrong unit"]
    assert result["score"].drop("wrong unit").notna().all()
    told = meant.set_index("idea")
    for idea, column, level in (
        ("hypoxic gel", "preconditioning", "hypoxia"),
        ("hypoxic gel", "scaffold", "hydrogel_natural"),
        ("cord on wounds", "ev_source", "UCMSC"),
        ("ultrasound tendon", "preconditioning", "ultrasound"),
        ("magnet", "preconditioning", "nanoparticles+magnetic_field"),
        ("spheroids in MI", "model", "myocardial_infarction"),
        ("loaded for OA", "engineering", "mirna_up"),
        ("kidney", "route", "intravenous"),
        ("nerve", "tissue", "peripheral_nerve"),
    ):
        assert told.loc[idea, column] == level
    assert float(told.loc["cord on wounds", "dose_value"]) == 200
    assert float(told.loc["cord on wounds", "follow_up_weeks"]) == 2
    open_fields = result["would_narrow"].str.len()
    assert open_fields["almost nothing"] > 0
    width = (result["effect_high"] - result["effect_low"]).astype(float)
    assert width["almost nothing"] > width["kidney"]


@pytest.mark.parametrize(
    ("unit", "agrees", "differs"),
    [("ug", "dose 100 ug", ""), ("particles", "", "dose 100 ug (not comparable)"),
     ("ug_per_ml", "", "dose 100 ug (not comparable)")],
)  # fmt: skip
def test_doses_of_two_scales_do_not_agree(
    forecaster, simulated, monkeypatch, unit, agrees, differs
):
    monkeypatch.setattr(sys.modules["regencast.forecasting.precedents"], "NEAREST", 60)
    corpus, effects, _ = simulated
    design = corpus.frame[corpus.frame["dose"] == 100].iloc[[0]].assign(unit=unit)
    found = precedents(forecaster, corpus, effects, design, ["mine"])
    found = found[found["contrast"].isin(corpus.contrasts[(corpus.frame["dose"] == 100)])].iloc[0]
    assert agrees in found["agrees"] and differs in found["differs"]
    assert ("dose" in found["agrees"], "dose" in found["differs"]) == (bool(agrees), bool(differs))
