import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from conftest import ROOT, SMALL_TOML, run, simulate

COLUMNS = (
    "contrast_id,study_id,fold,observed,observed_lower,observed_upper,variance,baseline,"
    "predicted,low90,high90"
).split(",")


def edit(package, column, value, row=0):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.loc[row, column] = value
    table.to_csv(package / "contrasts.csv", index=False)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("m1", "many", "it is not a number"),
        ("n1", "1_0", "it is not a number"),
        ("n1", "\uff17", "it is not a number"),
        ("s1", "-1", "the number is too small"),
        ("n1", "1", "at least 2 animals"),
        ("contrast", "s1-0", "the identifier stands twice"),
        ("direction", "sideways", "the level is unknown"),
    ],
)
def test_a_bad_cell_is_named_with_its_place(package, column, value, said):
    edit(package, column, value)
    result = run("corpus", "check", package)
    assert result.returncode == 1 and said in result.stderr
    assert "row 2" in result.stderr and f"column {column}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_list_of_retractions_must_be_that_of_retraction_watch(package):
    result = run("corpus", "check", package, "--retracted", package / "contrasts.csv")
    assert result.returncode == 1 and "column RetractionDate is missing" in result.stderr
    result = run("corpus", "check", package, "--retracted", package / "absent.csv")
    assert result.returncode == 1 and "there is no such file" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a,b\n1,2,3\n", b"\xff\xfe\xfa"])
def test_a_file_that_is_no_table_is_refused(package, content):
    (package / "contrasts.csv").write_bytes(content)
    result = run("evaluate", "--corpus", package, "-o", package / "out.csv")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert not (package / "out.csv").exists()


def test_a_package_without_a_study_role_is_refused(package):
    path = package / "datapackage.json"
    path.write_text(path.read_text().replace('"role": "study"', '"role": "note"'))
    result = run("corpus", "check", package)
    assert result.returncode == 1 and "no field has the role study" in result.stderr


def test_a_table_that_is_absent_hides_no_other_fault(package):
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    described["resources"].append({"name": "pooled", "path": "pooled.csv"})
    path.write_text(json.dumps(described))
    edit(package, "m1", "many")
    result = run("corpus", "check", package, "--json")
    told = {fault["problem"] for fault in json.loads(result.stdout)}
    assert told == {"it is not a number", "there is no such file"}


@pytest.mark.parametrize(
    "broken",
    [
        {"resources": ["x"]},
        {"resources": [{"path": "contrasts.csv", "schema": {"fields": None}}]},
        {"resources": [{"path": "a" * 5000, "schema": {"fields": []}}]},
        {"resources": [{"path": "contrasts.csv", "schema": {"fields": [], "missingValues": 5}}]},
    ],
)
def test_a_broken_description_is_told_in_words(package, broken):
    (package / "datapackage.json").write_text(json.dumps(broken))
    result = run("corpus", "check", package)
    assert result.returncode == 1 and "Frictionless data package" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_export_overwrites_nothing(package):
    result = run("corpus", "export", package, "-o", package, "--force")
    assert result.returncode == 1 and "it is a folder" in result.stderr
    path = package / "datapackage.json"
    path.write_text(path.read_text().replace('"colour"', '"score"'))
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.rename(columns={"colour": "score"}).to_csv(package / "contrasts.csv", index=False)
    result = run("corpus", "export", package, "-o", package / "out.csv")
    assert result.returncode == 1 and "column score" in result.stderr
    assert not (package / "out.csv").exists()


def test_wrong_usage_exits_with_2():
    assert run("evaluate", "--nonsense").returncode == 2


def test_training_leaves_a_run_with_children_plots_and_a_champion(trained):
    folder, said = trained
    assert "held-out studies" in said.splitlines()[0]
    code = (
        "import mlflow, json\n"
        "client = mlflow.MlflowClient('sqlite:///experiments/mlflow.db')\n"
        "runs = client.search_runs(['1'])\n"
        "parent = [r for r in runs if 'mlflow.parentRunId' not in r.data.tags][0]\n"
        "children = [r for r in runs if r is not parent]\n"
        "print(json.dumps({'tags': parent.data.tags, 'metrics': parent.data.metrics,"
        " 'children': [c.data.metrics for c in children],"
        " 'files': [f.path for f in client.list_artifacts(parent.info.run_id)],"
        " 'champion': client.get_model_version_by_alias('regencast', 'champion').version}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True
    )
    run_ = json.loads(done.stdout.splitlines()[-1])
    assert run_["tags"]["verdict"] == said.splitlines()[0] and run_["tags"]["corpus_digest"]
    assert "r2cv" in run_["metrics"] and str(run_["champion"]) == "1"
    assert len(run_["children"]) == 2
    assert all({"weight", "inner_r2", "log_score_gain"} <= set(child) for child in run_["children"])
    assert {"out_of_fold.csv", "candidates.csv", "explain"} <= set(run_["files"])


def test_training_finds_out_first_what_it_cannot_write(trained):
    folder, _ = trained
    (folder / "isfile").write_text("x")
    result = run("train", "small.toml", "--corpus", "sim", "-o", "isfile", cwd=folder)
    assert result.returncode == 1 and "isfile: it is a file. Name a folder" in result.stderr
    (folder / "gone.toml").write_text(SMALL_TOML)
    code = (
        "import mlflow\n"
        "client = mlflow.MlflowClient('sqlite:///experiments/mlflow.db')\n"
        "client.delete_experiment(client.create_experiment('gone'))"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=folder, check=True)
    result = run("train", "gone.toml", "--corpus", "sim", cwd=folder)
    assert result.returncode == 1 and "gone: the experiment was deleted" in result.stderr
    assert "restore --experiment-id" in result.stderr and "Traceback" not in result.stderr


def test_a_copy_that_fails_costs_no_model(trained):
    folder, _ = trained
    again = folder / "again"
    again.mkdir()
    shutil.copytree(folder / "experiments", again / "experiments")
    simulate(again / "sim", n_studies=12)
    family = 'candidates = [{family = "ridge", reach = 0.1}]'
    (again / "small.toml").write_text(f"inner_folds = 2\nouter_folds = 2\nresamples = 2\n{family}")
    (again / "out").mkdir()
    (again / "out/explain").write_text("in the way")
    result = run("train", "small.toml", "--corpus", "sim", "-o", "out", cwd=again)
    assert result.returncode == 1 and "it cannot be used" in result.stderr
    code = (
        "import mlflow\n"
        "client = mlflow.MlflowClient('sqlite:///experiments/mlflow.db')\n"
        "print(client.get_model_version_by_alias('regencast', 'champion').version)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=again)
    assert done.stdout.split()[-1] == "2"


def test_scores_are_written_and_never_overwritten_unasked(trained):
    folder, said = trained
    result = run("score", "designs.csv", "-o", "scores.csv", cwd=folder)
    assert result.returncode == 0, result.stderr
    scores = pd.read_csv(folder / "scores.csv")
    assert scores["score"].iloc[0] > scores["score"].iloc[1]
    assert (scores["verdict"] == said.splitlines()[0]).all()
    before = (folder / "scores.csv").read_bytes()
    again = run("score", "designs.csv", "-o", "scores.csv", cwd=folder)
    assert again.returncode == 1 and "--force" in again.stderr
    assert (folder / "scores.csv").read_bytes() == before


def test_an_unknown_level_is_refused_with_the_nearest(trained):
    folder, _ = trained
    (folder / "bad.csv").write_text("source\nQ\n")
    result = run("score", "bad.csv", "-o", "none.csv", cwd=folder)
    assert result.returncode == 1 and "nearest are" in result.stderr
    assert "Traceback" not in result.stderr and not (folder / "none.csv").exists()


def test_a_misspelt_column_is_told(trained):
    folder, _ = trained
    (folder / "sorce.csv").write_text("sorce,dose,unit,n1,n2\nA,100,ug,8,8\n")
    result = run("score", "sorce.csv", "-o", "sorce_scores.csv", cwd=folder)
    assert result.returncode == 0
    assert "column sorce is not read; source is a column" in result.stderr


def test_an_own_column_of_an_outputs_name_is_told(trained):
    folder, _ = trained
    (folder / "own.csv").write_text("source,dose,unit,n1,n2,score\nA,100,ug,8,8,mine\n")
    result = run("score", "own.csv", "-o", "own_scores.csv", cwd=folder)
    assert result.returncode == 0 and "what stood under score is replaced" in result.stderr
    pd.read_csv(folder / "own.csv").to_parquet(folder / "own.parquet")
    result = run("score", "own.parquet", "-o", "own_scores.parquet", cwd=folder)
    assert result.returncode == 0 and "what stood under score is replaced" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("score", "designs.csv", "-o", "x.json"),
        ("score", "designs.csv", "-o", "x.csv", "--precedents", "x.csv"),
        ("plan", "designs.csv", "-o", "x.csv", "--power", "nan"),
        ("plan", "--search", "space.toml", "-o", "x.csv", "--sweep", "dose"),
    ],
)
def test_options_that_cannot_work_are_wrong_usage(trained, options):
    folder, _ = trained
    result = run(*options, cwd=folder)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert not list(folder.glob("x.*"))


def test_a_path_that_cannot_be_used_gets_a_message(trained):
    folder, _ = trained
    result = run("score", "designs.csv", "-o", f"{'x' * 300}.csv", cwd=folder)
    assert result.returncode == 1 and "it cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_sweep_understands_what_a_score_does(trained):
    folder, _ = trained
    (folder / "spelled.csv").write_text("Source,dose,n1,n2\na,0.1 mg,8,8\n")
    result = run(
        "plan", "spelled.csv", "-o", "sweep.csv", "--sweep", "dose", "--corpus", "sim", cwd=folder
    )
    assert result.returncode == 0, result.stderr
    assert len(pd.read_csv(folder / "sweep.csv")) > 1


def test_a_sweep_names_the_row_whose_dose_has_no_unit(trained):
    folder, _ = trained
    (folder / "open.csv").write_text("source,dose,unit\nA,100,ug\nB,,\n")
    result = run(
        "plan", "open.csv", "-o", "no.csv", "--sweep", "dose", "--corpus", "sim", cwd=folder
    )
    assert result.returncode == 1 and not (folder / "no.csv").exists()
    assert "open.csv, row 3, column unit: a dose needs its unit. Write ug" in result.stderr


def test_a_model_that_was_tampered_with_is_refused(trained):
    folder, _ = trained
    manifest = next((folder / "experiments").rglob("MANIFEST"))
    shutil.copytree(manifest.parent, folder / "copy", dirs_exist_ok=True)
    state = folder / "copy/forecaster.json"
    state.write_text(state.read_text().replace('"weights": [', '"weights": [0.5, ', 1))
    result = run("score", "designs.csv", "-o", "none.csv", "--model", "copy", cwd=folder)
    assert result.returncode == 1 and "changed after it was saved" in result.stderr
    assert "Traceback" not in result.stderr and not (folder / "none.csv").exists()


def test_explain_writes_tables_and_plots(trained):
    folder, _ = trained
    result = run(
        "explain",
        "--corpus",
        "sim",
        "--designs",
        "designs.csv",
        "--resamples",
        20,
        "-o",
        "plots",
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (folder / "plots").iterdir()} >= {
        "importance.csv", "shap_bar.png", "shap_beeswarm.png", "shap_waterfall.png"
    }  # fmt: skip


def test_the_report_of_the_champion_needs_no_network(trained):
    folder, said = trained
    result = run("report", "-o", "report.html", cwd=folder)
    assert result.returncode == 0, result.stderr
    html = (folder / "report.html").read_text()
    assert said.splitlines()[0] in html and "http" not in html and len(html) < 5_000_000
    assert html.count("<img") == html.count('alt="') > 5
    none = run("report", "--model", "models:/regencast@nobody", "-o", "no.html", cwd=folder)
    assert none.returncode == 1 and "Traceback" not in none.stderr


@pytest.mark.slow
def test_diff_says_what_a_new_edition_changed(trained):
    folder, _ = trained
    old = simulate(folder / "old", n_studies=28) / "contrasts.csv"
    # The order of columns changes no study.
    table = pd.read_csv(old, dtype=str, keep_default_na=False)
    table[table.columns[::-1]].to_csv(old, index=False)
    result = run(
        "corpus", "diff", "old", "sim", "--experiment", "small.toml", "--designs", "designs.csv",
        "--json", cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["studies"] == {"added": ["s28", "s29"], "removed": [], "changed": []}
    assert found["pooled"] == {"added": [], "removed": [], "changed": []}
    assert found["ranks"]["source"]["new"] == 1 and len(found["scores"]) == 2
    assert found["skill"]["n_studies"]["old"] < found["skill"]["n_studies"]["new"]


@pytest.mark.slow
def test_evaluate_gives_the_same_bytes_with_one_and_two_jobs(trained):
    folder, _ = trained
    for jobs in (1, 2):
        result = run(
            "evaluate", "small.toml", "--corpus", "sim", "--jobs", jobs, "-o", f"{jobs}.csv",
            cwd=folder,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    assert (folder / "1.csv").read_bytes() == (folder / "2.csv").read_bytes()
    assert list(pd.read_csv(folder / "1.csv"))[: len(COLUMNS)] == COLUMNS


def test_help_lists_the_commands():
    text = run("--help").stdout
    assert all(word in text for word in ("corpus", "train", "evaluate", "score", "explain"))


def test_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "make train" in text and "make test" in text
