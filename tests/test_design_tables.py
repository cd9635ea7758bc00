"""Designs as scientists write them: tables, spelling, units, and what is refused."""

import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from conftest import SYNONYMS, scored
from regencast.errors import FaultyInput
from regencast.forecasting import (
    check_designs,
    design_names,
    misspelt_columns,
    read_designs,
    score_designs,
    understand,
)
from regencast.forecasting.designs import unknown_doses
from regencast.forecasting.stream import parquet_chunks, score_chunks
from regencast.forecasting.unknown import taken_for_granted


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


def test_a_merged_cell_says_in_every_row_what_a_reader_sees(tmp_path):
    book = Workbook()
    rows = [["source", "colour", "n1", "mine"], ["A", "red", 8], [None, None, 9], ["B", "red", 8]]
    for row in [*rows, [None, "green", 7], [None, None, None]]:
        book.active.append(row)
    for merged in ("A2:A3", "B2:B3", "A4:A6", "D1:D6", "H2:H9"):
        book.active.merge_cells(merged)
    book.save(tmp_path / "designs.xlsx")
    found = read_designs(tmp_path / "designs.xlsx")
    assert found["source"].tolist() == ["A", "A", "B", "B"] and found.index.tolist() == [2, 3, 4, 5]
    assert found["colour"].tolist() == ["red", "red", "red", "green"]
    assert found["n1"].tolist() == ["8", "9", "8", "7"] and found["mine"].isna().all()


def test_merged_whole_columns_are_refused_before_they_fill_the_memory(tmp_path):
    book = Workbook()
    book.active.append(["source"])
    book.save(tmp_path / "plain.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "merged.xlsx", "w") as merged,
    ):
        for name in plain.namelist():
            cells = b'</sheetData><mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>'
            merged.writestr(name, plain.read(name).replace(b"</sheetData>", cells))
    with pytest.raises(FaultyInput, match="Unmerge"):
        read_designs(tmp_path / "merged.xlsx")


def test_columns_without_a_name_are_read_from_csv_as_from_a_workbook(tmp_path):
    rows = [["idea", None, "source", None, None], ["x", None, "A", "mine", None]]
    table = pd.DataFrame(rows)
    table.to_excel(tmp_path / "designs.xlsx", index=False, header=False)
    table.to_csv(tmp_path / "designs.csv", index=False, header=False)
    workbook, csv = (read_designs(tmp_path / f"designs.{kind}") for kind in ("xlsx", "csv"))
    assert list(csv) == ["idea", "source", "column 4"]
    assert csv.to_numpy().tolist() == workbook.to_numpy().tolist() == [["x", "A", "mine"]]


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("dose_mg", "dose_value with dose_unit"), ("Dose (\u00b5g)", "dose_value with dose_unit"),
        ("particles", "dose_value with dose_unit"), ("volume_ml", "volume_ul in ul"),
        ("follow-up", "follow_up_weeks in weeks"), ("number of doses", "n_doses"),
        ("animals per group", "n_treated"), ("n control group", "n_control"),
        ("EV source (cells)", "ev_source"), ("cell source", "ev_source"),
        ("EV type (kind)", "ev_type"), ("Species/strain", "species"), ("disease model", "model"),
    ],
)  # fmt: skip
def test_a_header_with_a_unit_or_words_of_a_column_is_told_and_not_read(shipped, header, meant):
    frame = pd.DataFrame({"mine": ["x"], header: ["5"]})
    assert misspelt_columns(frame, shipped) == {header: meant}
    understood, said = understand(frame, shipped, {})
    assert list(understood) == list(frame)
    assert said.iloc[0] == f"column {header} is not read ({meant} is a column)"


def test_columns_of_the_users_own_and_those_beside_the_one_they_name_are_not_told(shipped):
    own = ["idea", "name", "notes", "group", "EVs", "cost", "arm", "1", "--"]
    frame = pd.DataFrame([["x"] * len(own)], columns=own)
    assert not misspelt_columns(frame, shipped)
    beside = {"tissue": "skin", "tissue notes": "x", "dose_value": "1", "dose note": "x"}
    assert not misspelt_columns(frame.assign(**beside), shipped)


def test_a_misspelt_column_is_told_and_one_of_the_users_own_is_not(forecaster, tmp_path):
    text = "name,sorce,colour,dose,unit,n1,n2\nmine,A,red,100,ug,8,8\n"
    told = scored(forecaster, tmp_path, text)["understood"].iloc[0]
    assert told == "column sorce is not read (source is a column)"


def test_a_table_without_a_column_of_a_design_is_refused(forecaster, tmp_path):
    with pytest.raises(FaultyInput, match="no column is one of a design"):
        scored(forecaster, tmp_path, "name,note\nmine,nothing\n")


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


@pytest.mark.parametrize("name", ["source", "name", None])
def test_a_saved_index_is_a_column_of_the_designs(forecaster, tmp_path, name):
    path = tmp_path / "index.parquet"
    table = pd.DataFrame({"source": ["A", "B"], "name": ["x", "y"], "n1": [8, 9]})
    indexed = table.set_index(name) if name else table.set_axis(["p", "q"])
    indexed.to_parquet(path)
    (chunk,) = parquet_chunks(path)
    for frame in (chunk, read_designs(path)):
        pd.testing.assert_frame_equal(frame[list(table)], read_back(table, tmp_path))
        assert len(frame.columns) == 3


def read_back(table, folder):
    table.to_parquet(folder / "plain.parquet", index=False)
    return read_designs(folder / "plain.parquet")


def test_a_workbooks_error_or_formula_without_a_value_is_no_open_field(forecaster, tmp_path):
    book = Workbook()
    book.active.append(["source", "colour", "dose", "unit"])
    for source, dose in (("A", 100), ("#N/A", 100), ("A", "=10*10"), ("A", 1.5)):
        book.active.append([source, None, dose, "ug"])
    book.save(tmp_path / "designs.xlsx")
    frame = read_designs(tmp_path / "designs.xlsx")
    assert frame["dose"].tolist() == ["100", "100", "=10*10", "1.5"]
    found = score_designs(forecaster, frame, "designs.xlsx", allow_new=True)
    assert found["score"].notna().tolist() == [True, False, False, True]
    assert "row 3, column source: the cell holds an error" in found["fault"].iloc[1]
    assert "row 4, column dose: the cell holds an error or a formula" in found["fault"].iloc[2]


@pytest.mark.parametrize(
    ("written", "unit", "meant"),
    [("100 ug", "ug_per_kg", None), ("100 ug", "mg", None), ("100 ug", "drops", None),
     ("100 ug", "\u00b5g", 100.0), ("0.1 mg", "mg", 100.0), ("2 ug/ml", "ug_per_ml", 2.0)],
)  # fmt: skip
def test_two_units_of_a_dose_are_refused_unless_they_are_one(
    forecaster, tmp_path, written, unit, meant
):
    found = scored(forecaster, tmp_path, f"source,unit,dose\nA,{unit},{written}\n")["fault"].iloc[0]
    if meant is None:
        assert "its unit is not that of unit" in found
        assert ("no such level" in found) == (unit == "drops")
    else:
        assert pd.isna(found)
        frame = pd.DataFrame({"unit": [unit], "dose": [written]})
        understood, _ = understand(frame, forecaster.blend.encoder, {})
        assert float(understood["dose"].iloc[0]) == meant


@pytest.mark.parametrize(
    ("written", "meant"), [("0,125", None), ("1,250", None), ("1,250,000", 1.25e6)]
)
def test_a_single_comma_is_nobodys_guess(forecaster, written, meant):
    frame = pd.DataFrame({"dose": [written], "unit": ["ug"]})
    understood, _ = understand(frame, forecaster.blend.encoder, {})
    typed, faults = check_designs(understood, forecaster.blend.encoder, "x")
    assert [fault.value for fault in faults] == ([] if meant else [written])
    assert meant is None or typed["dose"].iloc[0] == meant


def test_the_dose_is_known_by_the_name_of_its_factor(shipped):
    frame = pd.DataFrame({"tissue": ["skin"], "Dose": ["0.1 mg"]})
    meant, said = understand(frame, shipped, {})
    assert meant["dose_value"].tolist() == ["100"] and meant["dose_unit"].tolist() == ["ug"]
    assert "not read" not in said.iloc[0] and not misspelt_columns(frame, shipped)
    assert design_names(frame, shipped) == ["design in row 0"]
    with pytest.raises(FaultyInput, match="two columns mean dose_value"):
        understand(frame.assign(dose_value="1"), shipped, {})


def test_none_stands_alone_and_a_cell_without_a_label_is_open(shipped):
    frame = pd.DataFrame({"preconditioning": ["none+hypoxia", "no, hypoxia", "none", "+"]})
    meant, said = understand(frame, shipped, {"preconditioning": {"no": "none"}})
    typed, faults = check_designs(meant, shipped, "x")
    assert [fault.row for fault in faults] == [0, 1]
    assert "none stands beside another label" in faults[0].problem
    assert typed["preconditioning"].iloc[3] is None and "left open" in said.iloc[3]


def test_a_volume_of_0_is_no_dose_and_told_as_a_dose_of_0_is(shipped):
    frame = pd.DataFrame(
        {
            "dose_value": ["100", "100", "100", "0"],
            "dose_unit": ["ug_per_ml", "ug_per_ml", "ug", "ug"],
            "volume_ul": ["0", "50", "0", None],
        }
    )
    typed, faults = check_designs(frame, shipped, "x")
    told = taken_for_granted(typed, shipped.schema)
    assert told.str.contains("of 0 is no dose").tolist() == [True, False, False, True]
    assert "volume_ul of 0" in told.iloc[0] and not faults
    without = unknown_doses(typed, shipped.schema, "x")
    assert [(fault.row, fault.column) for fault in without] == [(0, "volume_ul")]


@pytest.mark.parametrize(
    ("column", "written", "said"),
    [
        ("n_treated", "8.5", "it is not a whole number"), ("n_treated", "8.0", None),
        ("n_doses", "0.5", "it is not one administration"), ("n_doses", "2.5", "not a whole"),
        ("n_doses", "0", "it is not one administration"), ("n_doses", "1", None),
        ("follow_up_weeks", "8.5", None),
    ],
)  # fmt: skip
def test_animals_and_administrations_are_counted_in_whole_numbers(shipped, column, written, said):
    _, faults = check_designs(pd.DataFrame({column: [written]}), shipped, "x")
    assert [fault.column for fault in faults] == ([column] if said else [])
    assert said is None or said in faults[0].problem


@pytest.mark.parametrize("written", ["NA", "nan", "n/a", "unknown", "-"])
@pytest.mark.parametrize("column", ["tissue", "preconditioning", "n_treated", "dose_value"])
def test_what_is_not_known_is_left_empty(shipped, column, written):
    frame = pd.DataFrame({column: [written], "dose_unit": ["ug"]})
    _, (fault,) = check_designs(frame, shipped, "x")
    assert fault.column == column and fault.remedy == "Leave it empty where it is not known"
