"""Reading proposed designs, and refusing what the model cannot know."""

from __future__ import annotations

import difflib
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regencast.corpus import Field, Schema, normal
from regencast.corpus.schema import DOSE_ROLES, PLAIN, SIZE_ROLES
from regencast.corpus.tables import read_text_table
from regencast.designs import DesignEncoder
from regencast.designs.dose import UNITS
from regencast.errors import Fault, FaultyInput, fail
from regencast.forecasting.headers import meant_columns
from regencast.forecasting.understand import understand, written_dose
from regencast.forecasting.workbook import no_value, read_sheet
from regencast.training import Forecaster

#: How Parquet calls the columns of a pandas index that has no name.
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
#: Problem and remedy of a cell with a spreadsheet's error or a formula.
NO_VALUE = ("the cell holds an error or a formula without its value", "Paste values")
#: What people write, in normal text, where they do not know; it is no level and no number.
NOT_KNOWN = frozenset(("", "?", "n/a", "na", "nan", "nd", "notreported", "nr", "null", "unknown"))
LEAVE_EMPTY = "Leave it empty where it is not known"
#: Column of administrations, which are counted as animals are.
ADMINISTRATIONS = "n_doses"
#: From a whole number a step of a range may be off by so much.
WHOLE = 1e-9


def read_designs(path: Path) -> pd.DataFrame:
    """Read designs from CSV, Parquet or Excel as text, indexed by spreadsheet row."""
    if not path.is_file():
        raise fail(path, "there is no such file", "Check the path")
    try:
        kind = path.suffix.lower()
        if kind == ".parquet":
            import pyarrow.parquet as pq

            frame = _numbered(plain_columns(pq.read_table(path, partitioning=None)))
        elif kind in (".xlsx", ".xlsm"):
            frame = _numbered(_read_workbook(path))
        else:
            frame, faults = read_text_table(path)
            if faults:
                raise FaultyInput(faults)
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise fail(
            path, f"it cannot be read ({type(error).__name__})", "Save it as CSV, Parquet or Excel"
        ) from None
    frame = blank_cells(frame).dropna(how="all")
    if frame.empty:
        raise fail(path, "there is no design", "Add one row per design")
    return frame


def plain_columns(table: Any) -> pd.DataFrame:
    """Return a table or batch of Arrow as a frame; an index that pandas saved is a column of it."""
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return frame[[name for name in frame if not UNNAMED_INDEX.fullmatch(name)]]


def refuse_twins(path: Path, header: list[str]) -> None:
    """Raise a FaultyInput if two columns of a file have one name."""
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise fail(path, "the header names a column twice", "Rename one of the two",
                   row=1, column=repeated[0])  # fmt: skip


def blank_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of single values, None where a cell is empty; a list stands as its text."""
    frame = frame.astype(object)
    for name in frame:
        if pd.api.types.infer_dtype(frame[name]).startswith("mixed"):
            frame[name] = [_single(cell) for cell in frame[name]]
    return frame.where(frame.notna(), None).replace({"": None})


def _single(cell: object) -> object:
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    return str(cell) if isinstance(cell, (list, tuple, dict, set)) else cell


def _read_workbook(path: Path) -> pd.DataFrame:
    """Return the first sheet as text; only an empty cell is missing, whatever it is called."""
    cells = read_sheet(path)
    if cells.empty:
        return cells
    first = zip(cells.columns, cells.iloc[0], strict=True)
    header = [f"column {k + 1}" if name is None else name for k, name in first]
    refuse_twins(path, header)
    return cells.iloc[1:].set_axis(header, axis=1)


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows indexed as a spreadsheet shows them: the header is row 1."""
    return frame.set_axis(pd.RangeIndex(2, len(frame) + 2))


def check_designs(
    frame: pd.DataFrame, encoder: DesignEncoder, file: str, allow_new: bool = False
) -> tuple[pd.DataFrame, list[Fault]]:
    """Return designs with the schema's columns, typed, and every fault.

    Columns that are not part of a design are kept out; absent design columns are not reported.
    """
    typed = pd.DataFrame(index=frame.index)
    faults: list[Fault] = []
    unit = encoder.schema.column("dose_unit")
    for field in encoder.schema.design:
        values = frame[field.name] if field.name in frame else pd.Series(None, frame.index, object)
        if field.type == "number":
            typed[field.name], found = _numbers(field, values, unit, file)
        else:
            typed[field.name], found = _texts(field, values, encoder, file, allow_new)
        faults += found
    return typed, [*faults, *_without_unit(typed, encoder, file)]


def _numbers(
    field: Field, values: pd.Series, unit: str | None, file: str
) -> tuple[pd.Series, list[Fault]]:
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    least, problem, remedy = _least(field)
    small = values.notna() & ~np.isfinite(numbers) | (numbers < least)
    part = _counts(field) & ((numbers - numbers.round()).abs() > WHOLE)
    faults = []
    for row, cell in values[small | part].items():
        said = problem, remedy
        if no_value(cell):
            said = NO_VALUE
        elif normal(cell) in NOT_KNOWN:
            said = problem, LEAVE_EMPTY
        elif part[row] and not small[row]:
            said = "it is not a whole number", "Round it"
        elif unit and field.role == "dose_value" and written_dose(cell):
            said = f"its unit is not that of {unit}", "Keep one of the two"
        faults.append(Fault(file, *said, int(row), field.name, str(cell)))
    return numbers, faults


def _texts(
    field: Field, values: pd.Series, encoder: DesignEncoder, file: str, allow_new: bool
) -> tuple[pd.Series, list[Fault]]:
    known = _known(encoder, field.name, field.role)
    if allow_new and field.role == "factor":
        known = ()
    given = values.dropna()
    # Few distinct texts stand in many rows: each is judged once.
    said = {cell: _level_problems(field, cell, known) for cell in given.unique()}
    faults = [
        Fault(file, problem, remedy, int(row), field.name, found)
        for row, cell in given.items()
        for problem, remedy, found in said[cell]
    ]
    empty = [cell for cell in said if not field.levels(cell)]
    return values.astype(object).mask(values.isin(empty), None), faults


def _level_problems(
    field: Field, cell: object, known: tuple[str, ...]
) -> list[tuple[str, str, str]]:
    """Return what is wrong with a cell of levels: problem, remedy and what was found."""
    if no_value(cell):
        return [(*NO_VALUE, str(cell))]
    levels, problems = field.levels(cell), []
    if field.kind == "labels" and PLAIN in levels and len(levels) > 1:
        problem = f"{PLAIN} stands beside another label"
        problems.append((problem, "Keep one of the two", str(cell)))
    for token in levels:
        if known and token not in known:
            near = ", ".join(difflib.get_close_matches(token, known, 3, 0.0))
            remedy = LEAVE_EMPTY if normal(token) in NOT_KNOWN else f"The nearest are {near}"
            problems.append(("the corpus has no such level", remedy, token))
    return problems


def unknown_doses(typed: pd.DataFrame, schema: Schema, file: str) -> list[Fault]:
    """Return a fault for each typed design that has no known dose, whatever number it is given."""
    value, unit, volume = (schema.column(role) for role in DOSE_ROLES)
    if value is None or unit is None:
        return []
    faults = []
    for row, written in typed[unit].items():
        held = typed.at[row, volume] if volume else np.nan
        if pd.isna(written):
            faults.append(Fault(file, "a dose needs its unit", f"Write {', '.join(UNITS)}",
                                int(row), unit))  # fmt: skip
        elif UNITS.get(written, ("", False))[1] and held == 0:
            faults.append(Fault(file, "a volume of 0 holds no dose", "Write what one administration"
                                " holds", int(row), volume, "0"))  # fmt: skip
        elif UNITS.get(written, ("", False))[1] and pd.isna(held):
            remedy = f"Write {volume}" if volume else "Write what one administration holds"
            faults.append(Fault(file, "a concentration without its volume tells no dose", remedy,
                                int(row), unit, str(written)))  # fmt: skip
    return faults


def _without_unit(typed: pd.DataFrame, encoder: DesignEncoder, file: str) -> list[Fault]:
    value, unit = (encoder.schema.column(role) for role in ("dose_value", "dose_unit"))
    if value is None or unit is None:
        return []
    rows = typed.index[typed[value].notna() & typed[unit].isna()]
    remedy = f"Write {unit}: {', '.join(UNITS)}"
    return [
        Fault(file, "the dose has no unit", remedy, int(row), value, f"{typed.at[row, value]:g}")
        for row in rows
    ]


def new_levels(typed: pd.DataFrame, encoder: DesignEncoder) -> np.ndarray:
    """Return which designs have a level that the corpus lacks, shape (n,)."""
    found = np.zeros(len(typed), dtype=bool)
    for field in encoder.schema.design:
        if field.kind in ("category", "labels"):
            known = set(encoder.known_levels(field.name))
            found |= [not known.issuperset(field.levels(cell)) for cell in typed[field.name]]
    return found


def _counts(field: Field) -> bool:
    return field.role in SIZE_ROLES or field.name == ADMINISTRATIONS


def _least(field: Field) -> tuple[float, str, str]:
    """Return the least number that a column may hold, and what is said of a smaller one."""
    if field.role in SIZE_ROLES:
        return 2.0, "it is not a group of two animals or more", "Write how many, or leave it empty"
    if field.name == ADMINISTRATIONS:
        return 1.0, "it is not one administration or more", "Write how many, or leave it empty"
    return 0.0, "it is not a number of zero or more", "Write 1.5 or 1e9, without a comma"


def typed_designs(forecaster: Forecaster, frame: pd.DataFrame, file: str) -> pd.DataFrame:
    """Return designs as read, understood and typed for a forecast.

    Raises
    ------
    FaultyInput
        With every fault of every row.
    """
    encoder = forecaster.blend.encoder
    meant, _ = understand(frame, encoder, forecaster.synonyms)
    typed, faults = check_designs(meant, encoder, file)
    if faults:
        raise FaultyInput(faults)
    return typed


def design_names(frame: pd.DataFrame, encoder: DesignEncoder) -> list[str]:
    """Return a label for each design: its first column that is no part of a design, or its row."""
    parts = {normal(field.name) for field in encoder.schema.fields}
    meant = meant_columns(frame, encoder)
    free = [name for name in frame if normal(name) not in parts and name not in meant]
    if free:
        return [str(name) for name in frame[free[0]]]
    return [f"design in row {row}" for row in frame.index]


def _known(encoder: DesignEncoder, name: str, role: str) -> tuple[str, ...]:
    return tuple(UNITS) if role == "dose_unit" else encoder.known_levels(name)
