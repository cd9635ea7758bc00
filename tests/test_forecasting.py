"""Designs as scientists write them, what they leave open, whom to read, and the served model."""

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
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, SMALL, run
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
)
from regencast.forecasting.designs import new_levels
from regencast.forecasting.stream import parquet_chunks, score_chunks
from regencast.training import fit_forecaster

SYNONYMS = {"source": {"type A": "A", "alpha": "A"}}


@pytest.fixture
def forecaster(simulated):
    return replace(simulated[2], synonyms=SYNONYMS, verdict="a verdict")


def scored(forecaster, tmp_path, text, **options):
    path = tmp_path / "designs.csv"
    path.write_text(text)
    return score_designs(forecaster, read_designs(path), "designs.csv", **options)


@pytest.mark.parametrize(
    ("written", "dose", "unit"),
    [
        ("100 \u00b5g", 100.0, "ug"),
        ("0.1 mg", 100.0, "ug"),
        ("1 x 10^9 particles", 1e9, "particles"),
        ("2e8 particles", 2e8, "particles"),
    ],
)
def test_a_dose_with_its_unit_is_understood(forecaster, written, dose, unit):
    encoder = forecaster.blend.encoder
    frame = pd.DataFrame({"Source": ["Type-A"], "dose": [written]})
    meant, said = understand(frame, encoder, SYNONYMS)
    assert meant["source"].tolist() == ["A"] and "Type-A = A" in said.iloc[0]
    assert float(meant["dose"].iloc[0]) == pytest.approx(dose) and meant["unit"].iloc[0] == unit


def test_a_unit_in_its_own_column_is_converted(forecaster):
    frame = pd.DataFrame({"dose": ["0.2"], "unit": ["mg"]})
    meant, said = understand(frame, forecaster.blend.encoder, {})
    assert float(meant["dose"].iloc[0]) == 200 and meant["unit"].iloc[0] == "ug"
    assert "0.2 mg = 200 ug" in said.iloc[0]


def test_free_spelling_gives_the_score_of_the_exact_design(forecaster, tmp_path):
    exact = scored(forecaster, tmp_path, "source,colour,dose,unit,n1,n2\nA,red,100,ug,8,8\n")
    free = scored(forecaster, tmp_path, "Colour,N1,n2,Source,dose\nRED,8,8,alpha,100 ug\n")
    assert free["score"].iloc[0] == exact["score"].iloc[0]
    assert "alpha = A" in free["understood"].iloc[0] and pd.isna(exact["understood"].iloc[0])


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
    assert found_text(Effects(*bounds, kind), corpus, 0) == f"{direction}, g 0.70 to 2.10"


def test_a_fault_names_its_row_though_blank_rows_stand_before_it(forecaster, tmp_path):
    text = "source,colour,dose,unit,n1,n2\nA,red,100,ug,8,8\n,,,,,\nQ,red,100,ug,8,8\n"
    found = scored(forecaster, tmp_path, text)
    assert found.index.tolist() == [2, 4]
    assert "row 4, column source" in found["fault"].iloc[1]


def test_a_group_of_one_animal_is_refused(forecaster, tmp_path):
    text = "source,colour,dose,unit,n1,n2\nA,red,100,ug,1,8\nA,red,100,ug,2,2\n"
    found = scored(forecaster, tmp_path, text)["fault"]
    assert "column n1: it is not a group of two animals or more (found '1')" in found.iloc[0]
    assert pd.isna(found.iloc[1])


@pytest.mark.parametrize("written", ["0,5 mg", "1.000,5 ug", "2 x 100 ug", "1,5"])
def test_a_number_that_can_be_read_in_two_ways_is_refused(forecaster, tmp_path, written):
    found = scored(forecaster, tmp_path, f'source,colour,dose,unit\nA,red,"{written}",ug\n')
    assert "column dose: it is not a number" in found["fault"].iloc[0]


def test_a_dose_without_its_unit_is_refused_and_without_its_volume_told(forecaster, tmp_path):
    text = "source,dose,unit\nA,100,\nA,100,ug_per_ml\n"
    found = scored(forecaster, tmp_path, text)
    assert "column dose: the dose has no unit" in found["fault"].iloc[0]
    assert "tells no dose" in found["understood"].iloc[1]


def test_two_columns_of_one_meaning_are_refused(forecaster, tmp_path):
    for second in ("SOURCE", "source"):
        pd.DataFrame([["A", "B"]], columns=["Source", second]).to_excel(
            tmp_path / f"{second}.xlsx", index=False
        )
        frame = read_designs(tmp_path / f"{second}.xlsx")
        with pytest.raises(FaultyInput, match="two columns mean source"):
            score_designs(forecaster, frame, "designs.xlsx")
    pd.DataFrame([["A", "B"]], columns=["source", "source"]).to_excel(
        tmp_path / "twice.xlsx", index=False
    )
    with pytest.raises(FaultyInput, match="names a column twice"):
        read_designs(tmp_path / "twice.xlsx")


def test_a_workbook_says_none_as_a_csv_does(tmp_path):
    table = pd.DataFrame({"source": ["None"], "colour": ["NA"], "unit": [None]})
    table.to_excel(tmp_path / "designs.xlsx", index=False)
    table.to_csv(tmp_path / "designs.csv", index=False)
    workbook, csv = (read_designs(tmp_path / f"designs.{kind}") for kind in ("xlsx", "csv"))
    pd.testing.assert_frame_equal(workbook, csv)


def test_a_blank_row_of_a_workbook_is_no_design(tmp_path):
    table = pd.DataFrame({"source": ["A", None, "B"], "n1": ["8", None, "9"]})
    table.to_excel(tmp_path / "designs.xlsx", index=False)
    assert read_designs(tmp_path / "designs.xlsx").index.tolist() == [2, 4]


def test_a_misspelt_column_is_told_and_one_of_the_users_own_is_not(forecaster, tmp_path):
    text = "name,sorce,colour,dose,unit,n1,n2\nmine,A,red,100,ug,8,8\n"
    told = scored(forecaster, tmp_path, text)["understood"].iloc[0]
    assert told == "column sorce is not read (source is a column)"


def test_a_table_without_a_column_of_a_design_is_refused(forecaster, tmp_path):
    with pytest.raises(FaultyInput, match="no column is one of a design"):
        scored(forecaster, tmp_path, "name,note\nmine,nothing\n")


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


def test_a_list_in_a_cell_of_ones_own_stands_as_its_text(forecaster, tmp_path):
    path = tmp_path / "lists.parquet"
    pd.DataFrame({"source": ["A", "B"], "mine": [[1, 2], [3]]}).to_parquet(path)
    (scored,) = score_chunks(forecaster, parquet_chunks(path), "lists")
    assert scored["fault"].isna().all() and list(scored["mine"]) == ["[1, 2]", "[3]"]
    assert list(read_designs(path)["mine"]) == ["[1, 2]", "[3]"]


def test_a_parquet_file_with_twin_columns_is_refused(tmp_path):
    path = tmp_path / "twins.parquet"
    table = pa.Table.from_arrays(
        [pa.array(["A"]), pa.array(["x"]), pa.array(["y"])], ["source", "own", "own"]
    )
    pq.write_table(table, path)
    with pytest.raises(FaultyInput, match="names a column twice"):
        list(parquet_chunks(path))
    with pytest.raises(FaultyInput, match="cannot be read"):
        read_designs(path)
