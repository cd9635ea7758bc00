"""What a report and a comparison of editions say, and of which experiment and designs."""

import json

import pandas as pd
import pytest

from conftest import ROOT, simulate
from regencast.reporting import compare_corpora, shown_designs, write_report
from regencast.training import BUILT_IN, Experiment, read_experiment
from regencast.training.experiment import Candidate
from test_corpus import add_table

QUICK = Experiment(
    inner_folds=2, outer_folds=2, candidates=(Candidate("ridge", (("reach", 0.1),)),)
)
NOTHING = {"added": [], "removed": [], "changed": []}
VOCABULARY = "column,level,definition,parent\nsource,A,x,cell\nsource,B,x,{}\nsource,cell,x,\n"
RUN = {
    "corpus_name": "sim", "verdict": "a verdict", "contrasts": 9, "studies": 3,
    "evidence": {"bounded": 100.0}, "prior": False, "pooled": 0, "factors": ["source"],
    "metrics": {"n_measured": 0, "n_studies": 0}, "outer_folds": 2, "run_id": "r", "date": "d",
    "corpus_digest": "c", "version": "0", "seed": 1,
}  # fmt: skip


def test_diff_tells_a_change_of_vocabulary_roles_and_spellings(tmp_path):
    old, new = (simulate(tmp_path / name, n_studies=20) for name in ("old", "new"))
    add_table(old, "vocabulary", VOCABULARY.format("cell"))
    add_table(new, "vocabulary", VOCABULARY.format("milk"))
    add_table(new, "synonyms", "column,written,level\nsource,alpha,A\n")
    path = new / "datapackage.json"
    described = json.loads(path.read_text())
    fields = described["resources"][0]["schema"]["fields"]
    next(field for field in fields if field["name"] == "colour")["role"] = "note"
    path.write_text(json.dumps(described))
    found = compare_corpora(old, new, QUICK).to_dict()
    assert found["vocabulary"] == NOTHING | {"changed": ["source|B"]}
    assert found["fields"] == NOTHING | {"changed": ["colour"]}
    assert found["synonyms"] == NOTHING | {"added": ["source|alpha"]}
    assert found["studies"] == found["pooled"] == NOTHING
    assert len(set(found["digests"])) == 2


def example(folder, text):
    (folder / "data/proposals").mkdir(parents=True)
    (folder / "data/proposals/example.csv").write_text(text)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("name,source,n1\nfirst,A,8\n", "Proposed designs"),
        ("name,source,species,n1\nfirst,A,rat,8\n", "Published designs"),
        ("name,source\nfirst,of another field\n", "Published designs"),
    ],
)
def test_the_example_is_shown_where_it_is_of_the_corpus(
    simulated, tmp_path, monkeypatch, text, title
):
    corpus, _, forecaster = simulated
    example(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    shown = shown_designs(forecaster, corpus)
    own = corpus.frame["contrast"].head(5).tolist()
    assert shown.title == title
    assert shown.names == (["first"] if title.startswith("Proposed") else own)
    assert len(shown.designs) == len(shown.names)


def test_the_shipped_example_fits_the_shipped_corpus():
    described = json.loads((ROOT / "data/corpus/datapackage.json").read_text())
    fields = {field["name"] for field in described["resources"][0]["schema"]["fields"]}
    columns = set(pd.read_csv(ROOT / "data/proposals/example.csv"))
    assert columns - fields == {"proposal"}


def test_the_built_in_experiment_is_called_so_and_differs_by_its_baseline_alone():
    own, shipped = Experiment(), read_experiment(ROOT / "experiments/default.toml")
    differ = {name for name in vars(own) if getattr(own, name) != getattr(shipped, name)}
    assert differ == {"name", "file", "baseline_by"}
    assert read_experiment(None).name == BUILT_IN != shipped.name


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"experiment": BUILT_IN, "baseline_by": ""},
         ["one for all designs", "without a TOML file", "Proposed designs"]),
        ({"experiment": "mine", "baseline_by": "tissue", "designs": "Published designs"},
         ["by tissue (baseline_by)", "the experiment named mine", "Published designs"]),
        # A run of an earlier edition.
        ({"experiment": "mine"}, ["the experiment named mine", "Proposed designs"]),
    ],
)  # fmt: skip
def test_a_report_says_which_experiment_ran_and_what_designs_it_shows(tmp_path, facts, said):
    (tmp_path / "run.json").write_text(json.dumps(RUN | facts))
    html = write_report(tmp_path, tmp_path / "report.html").read_text()
    assert all(words in html for words in said)
    # What is fewer than ten is the contrasts that are measured, not those with means.
    assert "Fewer than ten contrasts are measured" in html
