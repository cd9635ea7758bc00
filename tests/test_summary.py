"""What a corpus holds, as its keepers count it; and the states of second readings."""

import json

import pandas as pd
import pytest

from conftest import ROOT, run
from regencast.corpus import inspect_corpus, read_corpus, summarise


@pytest.fixture
def kept(package):
    """A package of four contrasts of three studies, with classes, readings and papers."""
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    resource = described["resources"][0]
    rows = [
        # study, source, stimulus, against, direction, m1, m2, doi, pmid
        ("s1", "A", "hypoxia+heat", "plain", "better", "2", "1", "10.1/a", ""),
        ("s1", "A", "none", "not_stated", "no_difference", "", "", "10.1/a", ""),
        ("s2", "B", "hypoxia", "not_stated", "worse", "", "", "", "77"),
        ("s3", "", "", "saline", "better", "", "", "", ""),
    ]
    names = ["study", "source", "stimulus", "against", "direction", "m1", "m2", "doi", "pmid"]
    table = pd.DataFrame(rows, columns=names).assign(contrast=["s1-1", "s1-2", "s2-1", "s3-1"],
                                                     better="higher")  # fmt: skip
    table.to_csv(package / "contrasts.csv", index=False)
    roles = {"study": "study", "contrast": "contrast", "better": "outcome_better",
             "direction": "direction", "m1": "mean_treated", "m2": "mean_control",
             "doi": "reference", "pmid": "reference"}  # fmt: skip
    fields = [{"name": name, "type": "string", "role": role} for name, role in roles.items()]
    kinds = {"source": "category", "stimulus": "labels", "against": "category"}
    fields += [{"name": name, "type": "string", "role": "factor", "kind": kind}
               for name, kind in kinds.items()]  # fmt: skip
    fields[-1]["compares"] = {"plain": ["stimulus"], "other": ["source"]}
    resource["schema"]["fields"] = fields
    described["resources"] += [
        {"name": name, "path": f"{name}.csv"} for name in ("readings", "vocabulary")
    ]
    path.write_text(json.dumps(described))
    (package / "vocabulary.csv").write_text(
        "column,level,definition,parent\nstimulus,hypoxia,little oxygen,stress\n"
        "stimulus,heat,warm cells,stress\nstimulus,none,left as they are,\nsource,A,,\n"
    )
    (package / "readings.csv").write_text(
        "study_id,second_reading,note\ns1,confirmed,\ns2,corrected,a word\ns3,not_yet,\n"
    )
    return package


def test_a_corpus_is_counted_by_contrast_and_by_study(kept):
    counts = summarise(read_corpus(kept))
    assert (counts["contrasts"], counts["studies"]) == (4, 3)
    assert counts["direction"] == {"better": 2, "no_difference": 1, "worse": 1}
    assert counts["variation"] == {
        "stating a direction": 4, "of these null, mixed or negative": 2,
        "modified against unmodified": 1, "null, mixed, negative or modified": 3,
        "with means, a ratio or an SMD": 1,
    }  # fmt: skip
    assert counts["other_than_none"] == {"stimulus": 2}
    assert counts["second_reading"] == {"confirmed": 1, "corrected": 1, "not_yet": 1}
    assert counts["vocabulary"] == {"levels and classes": 4, "defined": 3}
    # A label counts once for a contrast and once for a study, a class likewise.
    assert counts["factors"]["stimulus"] == {"hypoxia": 2, "heat": 1, "none": 1}
    assert counts["factors_studies"]["source"] == {"A": 1, "B": 1}
    assert counts["classes"] == {"stimulus": {"stress": 2}}
    assert counts["classes_studies"] == {"stimulus": {"stress": 2}}
    # What a source does not state is not filled in, though a word stands there.
    assert counts["filled_percent"]["against"] == 50 and counts["filled_percent"]["source"] == 75
    assert counts["filled_percent_studies"] == {"doi": 33.3, "pmid": 33.3, "doi or pmid": 66.7}


def test_the_summary_tells_the_same_in_words_and_as_json(kept):
    told, data = run("corpus", "summary", kept), run("corpus", "summary", kept, "--json")
    assert told.returncode == data.returncode == 0, told.stderr + data.stderr
    counts = json.loads(data.stdout)
    assert told.stdout.startswith("contrasts: 4\nstudies: 3\n")
    assert "  stimulus: hypoxia 2 (2), heat 1 (1), none 1 (1)\n" in told.stdout
    assert "  stimulus: stress 2 (2)\n" in told.stdout
    assert f"  doi or pmid: {counts['filled_percent_studies']['doi or pmid']}\n" in told.stdout
    assert sum(counts["effects"].values()) == 4


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("s1,confirmed\ns2,corrected\ns3,seen\n", [(4, "second_reading", "seen")]),
        ("s1,confirmed\ns2,corrected\n", [(None, "study_id", "s3")]),
        ("s1,confirmed\ns2,corrected\ns3,not_yet\ns1,not_yet\n", [(5, "study_id", "s1")]),
        ("s1,confirmed\ns2,corrected\ns3,not_yet\ns9,not_yet\n", [(5, "study_id", "s9")]),
    ],
)
def test_faults_of_the_readings_are_told(kept, rows, told):
    (kept / "readings.csv").write_text("study_id,second_reading\n" + rows)
    _, faults = inspect_corpus(kept)
    assert [(fault.row, fault.column, fault.value) for fault in faults] == told


def test_readings_without_their_column_are_told(kept):
    (kept / "readings.csv").write_text("study_id,state\ns1,confirmed\n")
    _, faults = inspect_corpus(kept)
    assert [(fault.column, fault.problem) for fault in faults] == [
        ("second_reading", "the column is missing")
    ]


def test_a_corpus_without_anything_beside_it_is_counted(package):
    counts = summarise(read_corpus(package))
    assert not {"second_reading", "pooled_estimates", "vocabulary"} & set(counts)
    assert counts["classes"] == {} and "modified against unmodified" not in counts["variation"]


def test_a_corpus_of_numbers_is_not_said_to_have_no_null_contrast(package):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.assign(direction="").to_csv(package / "contrasts.csv", index=False)
    corpus = read_corpus(package)
    numbers = int(corpus.role("mean_treated").notna().sum())
    assert summarise(corpus)["variation"] == {"with means, a ratio or an SMD": numbers}
    told = run("corpus", "summary", package).stdout
    blocks = [block.splitlines() for block in told.split("\n\n")]
    assert all(len(lines) > 1 for lines in blocks) and "null" not in told
    assert not {"direction", "filled_percent_studies"} & {lines[0] for lines in blocks}


def test_a_console_of_few_letters_shows_the_others_as_escapes(package, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.assign(colour="IFN-\u03b3").to_csv(package / "contrasts.csv", index=False)
    told = run("corpus", "summary", package)
    assert told.returncode == 0 and "IFN-\\u03b3" in told.stdout, told.stderr


def test_every_study_of_the_shipped_corpus_was_looked_up_a_second_time():
    corpus = read_corpus(ROOT / "data/corpus")
    assert set(corpus.readings.index) == set(corpus.studies)
    assert set(corpus.readings) <= {"confirmed", "corrected", "not_found"}
