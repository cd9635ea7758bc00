"""What is written in several ways is one thing, and one text is not two: papers, levels, labels."""

import json

import pandas as pd
import pytest

from regencast.corpus import count_unnamed, inspect_corpus, read_corpus
from regencast.corpus.papers import paper_keys
from test_corpus import add_references, add_table, check_against, edit


def set_kind(package, column, kind):
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    for field in described["resources"][0]["schema"]["fields"]:
        if field["name"] == column:
            field["kind"] = kind
    path.write_text(json.dumps(described))


@pytest.mark.parametrize(
    "written",
    [
        "doi.org/10.1000/x0", "https://www.doi.org/10.1000/x0", "DOI10.1000/X0", "10.1000/x0\u200b",
        "https://doi.org/doi:10.1000/x0", "https://dx.doi.org/10.1000%2Fx0", "10.1000/x0; in press",
    ],
)  # fmt: skip
def test_a_doi_is_one_however_it_was_copied(package, written):
    names = pd.read_csv(package / "contrasts.csv")["study"].unique()
    add_references(package, doi={names[0]: "10.1000/x0", names[1]: written})
    _, faults = inspect_corpus(package)
    assert [(fault.column, fault.value) for fault in faults] == [("doi", written.strip())]
    add_references(package, pmid={})
    told = check_against(package, "1/2/2024 0:00,Retraction,10.1000/x0,0\n")
    assert [problem for *_, problem in told].count("the paper is retracted") == 2


@pytest.mark.parametrize(
    "written",
    [
        "PMID12345678", "https://www.ncbi.nlm.nih.gov/pubmed/12345678", "12345678.0",
        "https://pubmed.ncbi.nlm.nih.gov/12345678/?term=ev",
    ],
)  # fmt: skip
def test_a_pmid_is_one_however_it_was_copied(written):
    assert paper_keys(pd.Series([written]), "pmid").tolist() == ["12345678"]


def test_what_is_no_identifier_names_no_paper(package):
    names = pd.read_csv(package / "contrasts.csv")["study"].unique()
    add_references(package, doi={names[0]: "in press", names[1]: "in press"},
                   pmid={names[0]: "PMC123"})  # fmt: skip
    corpus = read_corpus(package)
    assert count_unnamed(corpus.frame, corpus.studies) == len(names)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Zhang-2020", "Zhang\u20102020"), ("Zhang-2020", "Zhang\u20112020"), ("a-1", "a\u22121"),
        ("Zhang2020", "Zhang2020\u200b"), ("Zhang2020", "Zhang\ufeff2020"), ("7", "7.0"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["study", "source"])
def test_what_a_reader_does_not_see_parts_no_studies_and_no_levels(package, column, name, other):
    edit(package, **{column: (0, name)})
    edit(package, **{column: (1, other)})
    told = [fault for fault in inspect_corpus(package)[1] if "spelling alone" in fault.problem]
    assert [(fault.row, fault.column, fault.value) for fault in told] == [(3, column, other)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("source,alpha,A\nsource,alpha,B\n", [(3, "alpha")]),
        ("source,alpha,B\nsource,alpha,A\n", [(3, "alpha")]),
        ("source,al-pha,A\nsource,ALPHA,B\n", [(3, "ALPHA")]),
        ("source,B,A\n", [(2, "B")]),
        ("source,alpha,A\nsource,Alpha,A\ncolour,alpha,red\nsource,A,A\n", []),
    ],
)
def test_a_spelling_means_one_level_whatever_the_order_of_rows(package, rows, told):
    add_table(package, "synonyms", f"column,written,level\n{rows}")
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.value) for fault in faults] == told
    assert {fault.column for fault in faults} <= {"written"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("+", "names no label"),
        ("none+hypoxia", "none stands beside another label"),
        ("none", None),
        ("hypoxia+", None),
    ],
)
def test_a_cell_of_labels_names_some_and_none_alone(package, cell, said):
    set_kind(package, "colour", "labels")
    edit(package, colour=(1, cell))
    _, faults = inspect_corpus(package)
    assert [fault.row for fault in faults] == ([3] if said else [])
    assert all(said in fault.problem for fault in faults)
