import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT

COLUMNS = (
    "contrast_id,study_id,fold,observed,observed_lower,observed_upper,variance,baseline,"
    "predicted,low90,high90"
).split(",")


def run(*arguments, cwd=None):
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [Path(sys.executable).parent / "regencast", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=env | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def edit(package, column, value, row=0):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.loc[row, column] = value
    table.to_csv(package / "contrasts.csv", index=False)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("m1", "many", "it is not a number"),
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


def test_wrong_usage_exits_with_2():
    assert run("evaluate", "--nonsense").returncode == 2


@pytest.mark.slow
def test_from_corpus_to_scores(package, tmp_path):
    result = run("evaluate", "--corpus", package, "-o", "held.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert list(pd.read_csv(tmp_path / "held.csv")) == COLUMNS
    result = run("train", "--corpus", package, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "experiments/mlflow.db").is_file()
    (tmp_path / "designs.csv").write_text("source,dose,unit,n1,n2\nA,100,ug,8,8\nB,1,ug,8,8\n")
    result = run("score", "designs.csv", "-o", "scores.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["score"].iloc[0] > scores["score"].iloc[1]
    (tmp_path / "bad.csv").write_text("source\nQ\n")
    result = run("score", "bad.csv", "-o", "none.csv", cwd=tmp_path)
    assert result.returncode == 1 and "nearest are" in result.stderr
    assert not (tmp_path / "none.csv").exists()
    result = run(
        "explain", "--corpus", package, "--designs", "designs.csv", "-o", "plots", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {
        "importance.csv", "shap_bar.png", "shap_beeswarm.png", "shap_waterfall.png"
    }  # fmt: skip


def test_help_lists_the_commands():
    text = run("--help").stdout
    assert all(word in text for word in ("corpus", "train", "evaluate", "score", "explain"))


def test_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "make train" in text and "make test" in text
