import json

import pandas as pd
import pytest

from conftest import ROOT
from regencast.corpus import (
    Meaning,
    ancestors,
    count_unnamed,
    inspect_corpus,
    read_corpus,
    split_labels,
)
from regencast.corpus.pooled import read_pooled
from regencast.errors import FaultyInput

POOLED = (
    "pooled_id,comparator,outcome_better,measure,estimate,ci_low,ci_high,source_url\n"
    "a,control,higher,SMD,1.5,1,2,page1\n"
)


def edit(package, **cells):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    for column, (row, value) in cells.items():
        table.loc[row, column] = value
    table.to_csv(package / "contrasts.csv", index=False)


def add_table(package, name, text):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    descriptor["resources"].append({"name": name, "path": f"{name}.csv"})
    path.write_text(json.dumps(descriptor))
    (package / f"{name}.csv").write_text(text)


def add_pooled(package, text):
    add_table(package, "pooled", text)


def test_every_fault_is_told_at_once(package):
    edit(package, m1=(0, "x"), s1=(1, "-2"), n1=(2, "1"), direction=(3, "up"))
    corpus, faults = inspect_corpus(package)
    assert corpus is None
    assert {(fault.row, fault.column) for fault in faults} >= {
        (2, "m1"), (3, "s1"), (4, "n1"), (5, "direction"),
    }  # fmt: skip
    assert all(fault.remedy for fault in faults)


def test_reading_twice_gives_the_same_corpus_and_digest(package):
    one, two = read_corpus(package), read_corpus(package / "datapackage.json")
    pd.testing.assert_frame_equal(one.frame, two.frame)
    assert one.digest == two.digest
    edit(package, source=(0, "Z"))
    assert read_corpus(package).digest != one.digest


def test_the_digest_covers_what_lies_beside_the_contrasts(package):
    alone = read_corpus(package).digest
    add_pooled(package, POOLED)
    beside = read_corpus(package).digest
    (package / "pooled.csv").write_text(POOLED.replace("1.5", "1.6"))
    assert len({alone, beside, read_corpus(package).digest}) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (POOLED.replace("1.5", "9"), "outside its own interval"),
        (POOLED.replace("1.5", "much"), "not a number"),
        (POOLED.replace("1.5", ""), "row 2, column estimate: the estimate is empty"),
        (POOLED.replace("_url\n", "_url,k_studies\n").replace("page1", "page1,0"), "at least 1"),
        (POOLED.replace("higher", "up"), "higher or lower"),
        (POOLED + POOLED.splitlines()[1] + "\n", "stands twice"),
        (POOLED.replace("measure", "kind"), "the column is missing"),
    ],
)
def test_faults_of_published_estimates_are_told(package, text, said):
    add_pooled(package, text)
    with pytest.raises(FaultyInput, match=said):
        read_corpus(package)


def test_published_estimates_come_with_the_corpus(package):
    assert read_corpus(package).pooled is None
    add_pooled(package, POOLED)
    assert read_corpus(package).pooled["estimate"].tolist() == [1.5]


def test_a_vocabulary_comes_with_the_corpus(package):
    text = "column,level,definition,parent\nsource,A,cells of A,adult\nsource,adult,cells,\n"
    add_table(package, "vocabulary", text)
    meanings = read_corpus(package).vocabulary["source"]
    assert meanings["A"] == Meaning("cells of A", "adult")
    assert ancestors("A", meanings) == ("adult",)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("source,A,x,A\n", "its own ancestor"),
        ("source,A,x,B\nsource,B,x,A\n", "its own ancestor"),
        ("nothing,A,x,\n", "no design column"),
        ("source,A,x,\nsource,A,y,\n", "second time"),
    ],
)
def test_faults_of_a_vocabulary_are_told(package, rows, said):
    add_table(package, "vocabulary", f"column,level,definition,parent\n{rows}")
    _, faults = inspect_corpus(package)
    assert faults and any(said in fault.problem for fault in faults)


def add_references(package, **columns):
    """Add reference columns, empty but for the first row of the studies that are named."""
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    first = ~table["study"].duplicated()
    for name, cells in columns.items():
        descriptor["resources"][0]["schema"]["fields"].append(
            {"name": name, "type": "string", "role": "reference"}
        )
        table[name] = table["study"].map(cells).where(first, "")
    path.write_text(json.dumps(descriptor))
    table.to_csv(package / "contrasts.csv", index=False)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"doi": {"s0": "10.1/A-b", "s1": "10.1/a-B"}}, "doi"),
        ({"doi": {"s0": "10.1/a.1", "s1": "https://doi.org/10.1/A.1"}}, "doi"),
        ({"doi": {"s0": "doi: 10.1/a.1", "s1": "10.1/a.1 "}}, "doi"),
        ({"doi": {"s0": "10.1/x.1.123", "s1": "10.1/x.11.23"}}, None),
        ({"pmid": {"s0": "12345678", "s1": "12345678"}}, "pmid"),
        ({"pmid": {"s0": "PMID: 12345678", "s1": "12345678.0"}}, "pmid"),
        ({"title": {"s0": "EVs heal bone", "s1": "EVs heal bone."}}, "title"),
        ({"doi": {"s0": "10.1/a", "s1": "10.1/b"}, "title": {"s0": "EVs", "s1": "EVs"}}, "title"),
        ({"doi": {"s0": "10.1/a", "s1": "10.1/b"}, "title": {"s0": "EVs", "s1": "EV"}}, None),
    ],
)
def test_a_publication_under_two_study_identifiers_is_a_fault(package, columns, told):
    names = pd.read_csv(package / "contrasts.csv")["study"].unique()
    called = {"s0": names[0], "s1": names[1]}
    add_references(package, **{
        name: {called[study]: cell for study, cell in cells.items()}
        for name, cells in columns.items()
    })  # fmt: skip
    _, faults = inspect_corpus(package)
    assert [fault.column for fault in faults] == ([told] if told else [])
    assert all(str(names[0]) in fault.problem for fault in faults)


@pytest.mark.parametrize(
    ("name", "other"),
    [("Zhang2020", "zhang2020"), ("M\u00fcller", "Mu\u0308ller"), ("a b", "a  b")],
)
def test_a_study_spelt_two_ways_is_told(package, name, other):
    edit(package, study=(0, name))
    edit(package, study=(1, other))
    told = [fault for fault in inspect_corpus(package)[1] if "spelling alone" in fault.problem]
    assert [(fault.row, fault.column, fault.value) for fault in told] == [(3, "study", other)]
    assert name in told[0].remedy


def test_a_number_as_study_may_not_gain_a_decimal(package):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table["study"] = table["study"].str[1:] + "9"
    table.loc[len(table) - 1, "study"] = f"{table['study'].iloc[0]}.0"
    table.to_csv(package / "contrasts.csv", index=False)
    _, faults = inspect_corpus(package)
    assert [fault.column for fault in faults] == ["study"]


def test_means_and_spreads_of_another_study_are_told(package):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    numbers = ["m1", "m2", "s1", "s2"]
    full = table.dropna(subset=numbers)
    several = full["study"].value_counts().loc[lambda counts: counts > 1].index[:2]
    one, other = (full[full["study"] == name].index[:2] for name in several)
    table.loc[other[0], numbers] = table.loc[one[0], numbers].to_numpy()
    table.to_csv(package / "contrasts.csv", index=False)
    assert not [f for f in inspect_corpus(package)[1] if "means and spreads" in f.problem]
    table.loc[other[1], numbers] = table.loc[one[1], numbers].to_numpy()
    table.to_csv(package / "contrasts.csv", index=False)
    told = [f for f in inspect_corpus(package)[1] if "means and spreads" in f.problem]
    assert len(told) == 1 and {told[0].value, told[0].problem.split()[-1]} == set(several)


@pytest.mark.parametrize(
    ("role", "other"), [("dose_unit", "dose_value"), ("n_control", "n_treated")]
)
def test_a_role_that_says_nothing_alone_is_told(package, role, other):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    schema = descriptor["resources"][0]["schema"]
    gone = next(field["name"] for field in schema["fields"] if field.get("role") == role)
    schema["fields"] = [field for field in schema["fields"] if field["name"] != gone]
    path.write_text(json.dumps(descriptor))
    pd.read_csv(package / "contrasts.csv").drop(columns=gone).to_csv(
        package / "contrasts.csv", index=False
    )
    assert [fault.problem for fault in inspect_corpus(package)[1]] == [
        f"no field has the role {role}, without which {other} says nothing"
    ]


@pytest.mark.parametrize("written", [{"decimalChar": ","}, {"groupChar": "."}])
def test_numbers_of_another_writing_are_told(package, written):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    field = next(f for f in descriptor["resources"][0]["schema"]["fields"] if f["name"] == "m1")
    field.update(written)
    path.write_text(json.dumps(descriptor))
    assert [fault.column for fault in inspect_corpus(package)[1]] == ["m1"]


@pytest.mark.parametrize(
    ("of_table", "of_field", "column"),
    [
        ({"missingValues": [{"value": "-99", "label": "not told"}]}, {}, "missingValues"),
        ({"missingValues": ["", -99]}, {}, "missingValues"),
        ({}, {"missingValues": ["-99"]}, "study"),
        ({}, {"group": ["x"]}, "study"),
    ],
)
def test_a_description_that_would_be_half_read_is_refused(package, of_table, of_field, column):
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    schema = described["resources"][0]["schema"]
    schema |= of_table
    schema["fields"][0] |= of_field
    path.write_text(json.dumps(described))
    _, faults = inspect_corpus(package)
    assert [(fault.file, fault.column) for fault in faults] == [(str(path), column)]


def test_a_factor_that_counts_in_ratios_is_above_zero(package):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    descriptor["resources"][0]["schema"]["fields"].append(
        {"name": "weeks", "type": "number", "role": "factor", "kind": "log_number"}
    )
    path.write_text(json.dumps(descriptor))
    table = pd.read_csv(package / "contrasts.csv", dtype=str).assign(weeks="2")
    table.loc[:1, "weeks"] = ["0", "-5"]
    table.to_csv(package / "contrasts.csv", index=False)
    told = [(fault.row, fault.column) for fault in inspect_corpus(package)[1]]
    assert told == [(2, "weeks"), (3, "weeks")]


def test_a_comparison_must_say_what_was_modified(package):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    fields = descriptor["resources"][0]["schema"]["fields"]
    for name, kind in (("stimulus", "labels"), ("against", "category")):
        fields.append({"name": name, "type": "string", "role": "factor", "kind": kind})
    fields[-1]["compares"] = {"plain": ["stimulus"], "elsewhere": ["source"]}
    path.write_text(json.dumps(descriptor))
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table["stimulus"], table["against"] = "none", "vehicle"
    table.loc[[0, 1, 2], "against"] = "plain"
    table.loc[3, "against"] = "elsewhere"
    table.loc[[1, 2], "stimulus"] = ["hypoxia", ""]
    table.to_csv(package / "contrasts.csv", index=False)
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.column, fault.value) for fault in faults] == [(2, "against", "plain")]
    assert "nothing parts the groups" in faults[0].problem


def test_every_level_of_the_shipped_corpus_has_a_definition():
    corpus = read_corpus(ROOT / "data/corpus")
    for field in corpus.schema.design:
        if field.kind in ("category", "labels"):
            used = {label for cell in corpus.frame[field.name] for label in split_labels(cell)}
            if field.name in corpus.vocabulary:
                told = corpus.vocabulary[field.name]
                assert all(level in told and told[level].definition for level in used), field.name


def test_shipped_corpus_has_no_fault_and_its_counts():
    corpus = read_corpus(ROOT / "data/corpus")
    assert len(corpus) >= 1000 and len(set(corpus.studies)) >= 600
    pooled, faults = read_pooled(ROOT / "data/corpus/pooled.csv")
    assert not faults and len(pooled) >= 100


def constrain(package, name, constraints):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    for field in descriptor["resources"][0]["schema"]["fields"]:
        if field["name"] == name:
            field["constraints"] = constraints
    path.write_text(json.dumps(descriptor))


@pytest.mark.parametrize(
    ("constraints", "cell", "passes"),
    [
        ({"minimum": 0}, "0", True),
        ({"minimum": 0}, "-1", False),
        ({"maximum": 4}, "5", False),
        ({"pattern": r"10\.\d+/\S+"}, "10.1/a", True),
        ({"pattern": r"10\.\d+/\S+"}, "doi:10.1/a", False),
        ({"enum": ["abstract", "table"]}, "blog", False),
        ({"minimum": 1980}, "in press", False),
        ({"minLength": 3, "maxLength": 5}, "abcd", True),
        ({"maxLength": 3}, "abcd", False),
        ({"unique": True}, "abc", True),
        ({"enum": [1, 10]}, "1.0", True),
        ({"enum": [True]}, "true", True),
    ],
)
def test_constraints_of_the_descriptor_are_checked(package, constraints, cell, passes):
    add_references(package, page={pd.read_csv(package / "contrasts.csv")["study"][0]: cell})
    constrain(package, "page", constraints)
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.column, fault.value) for fault in faults] == (
        [] if passes else [(2, "page", cell)]
    )


@pytest.mark.parametrize(("constraints", "said"), [
    ({"required": True}, "the value is empty"), ({"unique": True}, "stands twice"),
])  # fmt: skip
def test_a_column_may_be_required_or_unique(package, constraints, said):
    edit(package, source=(0, ""))
    constrain(package, "source", constraints)
    _, faults = inspect_corpus(package)
    assert faults and {fault.column for fault in faults} == {"source"}
    assert all(said in fault.problem for fault in faults)


@pytest.mark.parametrize(
    "constraints",
    [
        {"required": "yes"},
        {"minimum": "0"},
        {"pattern": "("},
        {"pattern": "a{99999999999}"},
        {"maximum": True},
        {"most": 1},
        {"enum": []},
        {"minimum": 2, "maximum": 1},
    ],
)
def test_a_constraint_that_is_not_understood_is_told(package, constraints):
    constrain(package, "source", constraints)
    with pytest.raises(FaultyInput, match="the constraint"):
        read_corpus(package)


def test_constraints_are_no_part_of_the_digest_and_judge_each_label(package):
    digest = read_corpus(package).digest
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    field = {"name": "both", "role": "factor", "kind": "labels"}
    descriptor["resources"][0]["schema"]["fields"].append(field)
    path.write_text(json.dumps(descriptor))
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.assign(both="A+B").to_csv(package / "contrasts.csv", index=False)
    free = read_corpus(package).digest
    constrain(package, "both", {"enum": ["A", "B"]})
    assert read_corpus(package).digest == free != digest
    constrain(package, "both", {"enum": ["A"]})
    _, faults = inspect_corpus(package)
    assert {fault.value for fault in faults} == {"A+B"}


def test_a_level_that_differs_by_case_alone_is_a_fault(package):
    level = pd.read_csv(package / "contrasts.csv", dtype=str)["source"][3]
    edit(package, source=(3, level.swapcase()))
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.column, fault.value) for fault in faults] == [
        (5, "source", level.swapcase())
    ]
    assert level in faults[0].remedy


@pytest.mark.parametrize(
    ("cell", "passes"),
    [
        ("P = 0.2", True), ("p = ns", True), ("1.2 × 10^-5", True), ("<0·05", True),  # noqa: RUF001
        ("2", False), ("n.d.", False), ("<0", False), ("0;03", False),
    ],
)  # fmt: skip
def test_a_p_value_is_one(package, cell, passes):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    descriptor["resources"][0]["schema"]["fields"].append({"name": "p", "role": "p_value"})
    path.write_text(json.dumps(descriptor))
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table.assign(p="").to_csv(package / "contrasts.csv", index=False)
    edit(package, p=(1, cell))
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.value) for fault in faults] == ([] if passes else [(3, cell)])


def test_a_spelling_must_lead_to_a_level_that_exists(package):
    add_table(package, "vocabulary", "column,level,definition,parent\nsource,fat,from fat,\n")
    add_table(package, "synonyms", "column,written,level\nsource,adipose,fat\nsource,marow,bona\n")
    _, faults = inspect_corpus(package)
    assert [(fault.row, fault.column, fault.value) for fault in faults] == [(3, "level", "bona")]


def test_a_spelling_may_lead_to_several_labels_or_a_unit_that_no_contrast_has(package):
    path = package / "datapackage.json"
    descriptor = json.loads(path.read_text())
    for field in descriptor["resources"][0]["schema"]["fields"]:
        if field["name"] == "source":
            field["kind"] = "labels"
    path.write_text(json.dumps(descriptor))
    one, two = sorted(set(pd.read_csv(package / "contrasts.csv", dtype=str)["source"]))[:2]
    rows = f"column,written,level\nsource,both,{one}+{two}\nunit,mg per kg,ug_per_kg\n"
    add_table(package, "synonyms", rows)
    assert read_corpus(package).synonyms["source"] == {"both": f"{one}+{two}"}


@pytest.mark.parametrize(("separator", "called"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_table_with_another_separator_is_told_so(package, separator, called):
    path = package / "contrasts.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for quote in ("", '"'):
        lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
        path.write_text("\n".join(lines))
        with pytest.raises(FaultyInput, match=f"separated by {called}"):
            read_corpus(package)


@pytest.mark.parametrize("text", ["\ufeff", "\n\n", "a" * 200_000 + ";b"])
def test_a_table_without_a_header_that_can_be_read_gets_a_message(package, text):
    (package / "contrasts.csv").write_text(text, encoding="utf-8")
    with pytest.raises(FaultyInput, match=r"the file is empty|not a CSV file"):
        read_corpus(package)


def test_a_blank_first_line_is_no_empty_file(package):
    path = package / "contrasts.csv"
    path.write_text(",,\n" + path.read_text())
    with pytest.raises(FaultyInput, match="row 1: the row is blank"):
        read_corpus(package)


def test_empty_columns_without_a_name_are_no_part_of_a_table(package):
    path, before = package / "contrasts.csv", read_corpus(package).frame
    path.write_text("".join(f"{line},,\n" for line in path.read_text().splitlines()))
    pd.testing.assert_frame_equal(read_corpus(package).frame, before)


NOTICES = "RetractionDate,RetractionNature,OriginalPaperDOI,OriginalPaperPubMedID\n"


def check_against(package, notices):
    path = package / "notices.csv"
    path.write_text(NOTICES + notices)
    _, faults = inspect_corpus(package, path)
    return [(fault.row, fault.column, fault.problem) for fault in faults]


@pytest.mark.parametrize(
    ("notices", "told"),
    [
        ("1/2/2024 0:00,Retraction,10.1/A-b,0\n", "doi"),
        ("1/2/2024 0:00,Retraction,unavailable,12345678\n", "pmid"),
        ("1/2/2024 0:00,Retraction,10.1/A-b,12345678\n", "doi"),
        ("1/2/2024 0:00,Correction,10.1/A-b,12345678\n", None),
        ("1/2/2024 0:00,Expression of concern,10.1/A-b,0\n", None),
        ("12/2/2024 0:00,Retraction,10.1/A-b,0\n2/1/2025 0:00,Reinstatement,10.1/A-b,0\n", None),
        ("9/30/2023 0:00,Reinstatement,10.1/a-B,0\n2/1/2023 0:00,Retraction,10.1/a-b,0\n", None),
        ("1/2/2024 0:00,Retraction,10.1/A-bc,1234567\n", None),
        ("2024-01-02,Retraction,https://doi.org/10.1/A-b,0\n", "doi"),
        ("2024-01-02,Retraction,10.1/A-b,0\n2025-01-02,Reinstatement,10.1/A-b,0\n", None),
    ],
)
def test_a_retracted_paper_is_a_fault_until_it_is_reinstated(package, notices, told):
    names = pd.read_csv(package / "contrasts.csv")["study"].unique()
    add_references(package, doi={names[0]: "10.1/a-b"}, pmid={names[0]: "12345678"})
    assert inspect_corpus(package)[1] == []
    expected = [(2, told, "the paper is retracted")] if told else []
    assert check_against(package, notices) == expected


def test_a_date_of_a_notice_that_cannot_be_read_is_told(package):
    add_references(package, doi={})
    told = check_against(package, "2 January 2024,Retraction,10.1/p,0\n")
    assert told == [(2, "RetractionDate", "it is no date")]


def test_studies_that_name_no_paper_are_counted(package):
    names = pd.read_csv(package / "contrasts.csv")["study"].unique()
    add_references(package, doi={names[0]: "10.1/a-b"}, pmid={names[1]: "12345678"})
    corpus = read_corpus(package)
    assert count_unnamed(corpus.frame, corpus.studies) == len(names) - 2


def test_pooled_estimates_of_a_retracted_paper_are_told(package):
    add_references(package, doi={})
    header, row = POOLED.splitlines()
    add_pooled(package, f"{header},doi\n{row},10.1/P\n")
    told = check_against(package, "1/2/2024 0:00,Retraction,10.1/p,0\n")
    assert told == [(2, "doi", "the paper is retracted")]


def test_a_package_that_names_no_paper_cannot_be_compared_with_retractions(package):
    told = check_against(package, "1/2/2024 0:00,Retraction,10.1/p,0\n")
    assert [problem for *_, problem in told] == ["no column doi or pmid names its papers"]


def test_pooled_estimates_that_name_no_paper_are_let_pass(package):
    add_references(package, doi={})
    add_pooled(package, POOLED)
    assert check_against(package, "1/2/2024 0:00,Retraction,10.1/p,0\n") == []
