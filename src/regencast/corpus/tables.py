"""Reading a table as text, exactly as it stands, so that every fault can name its place."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import pandas as pd

from regencast.errors import Fault, FaultyInput, fail

#: The largest file that is read as a corpus: beyond it the user has surely named the wrong file.
MAX_BYTES = 512 * 1024**2
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
#: Separators by which tables are wrongly saved, and what they are called.
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def is_number(cell: object) -> bool:
    """Return whether a cell is a plain finite number, as `float` and the reader of tables see it.

    Parameters
    ----------
    cell : object

    Examples
    --------
    >>> [is_number(cell) for cell in ("1.5", " 2e3 ", "1,5", "1_000", "inf")]
    [True, True, False, False, False]
    """
    # Python reads 1_000 and full-width digits as numbers, the reader of tables does not.
    return bool(NUMBER.fullmatch(str(cell).strip())) and math.isfinite(float(str(cell)))


def read_text_table(path: Path, required: tuple[str, ...] = ()) -> tuple[pd.DataFrame, list[Fault]]:
    """Read a CSV file as a frame of strings, and the faults of its shape.

    A column without a name is left out where it is empty throughout, as spreadsheets save them;
    else it is called by its place (``column 3``).

    Parameters
    ----------
    path : Path
        A CSV file, UTF-8, comma separated, with a header.
    required : tuple of str
        Columns that the table must have.

    Returns
    -------
    frame : pandas.DataFrame
        Strings; the index is the row as a spreadsheet shows it (the header is row 1).
    faults : list of Fault
        Required columns that are missing, and rows with too many or too few fields (left out of
        the frame).

    Raises
    ------
    FaultyInput
        If the file is missing, empty, not text or not a CSV.
    """
    text = _decode(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_separator(path, text)
        records = list(reader)
    except csv.Error as error:
        raise fail(
            path, f"it is not a CSV file ({error})", "Save it as comma separated text, UTF-8"
        ) from None
    if not any(map(_filled, records)):
        raise fail(path, "the file is empty", "It needs a header and one row per contrast")
    if not _filled(records[0]):
        raise fail(path, "the row is blank", "Begin the file with the header", row=1)
    header = [name.strip() or f"column {place}" for place, name in enumerate(records[0], 1)]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise FaultyInput(
            [
                Fault(
                    str(path),
                    "the header names a column twice",
                    "Rename one of the two",
                    row=1,
                    column=name,
                )
                for name in repeated
            ]
        )
    faults = [
        Fault(str(path), "the column is missing", "Add it", row=1, column=name)
        for name in required
        if name not in header
    ]
    rows, index = [], []
    for number, record in enumerate(records[1:], start=2):
        if not _filled(record):
            continue
        if len(record) != len(header):
            faults.append(
                Fault(
                    str(path),
                    f"the row has {len(record)} fields, the header {len(header)}",
                    "Quote text that holds a comma",
                    row=number,
                )
            )
            continue
        rows.append([cell.strip() for cell in record])
        index.append(number)
    frame = pd.DataFrame(rows, columns=header, index=index, dtype=str)
    unnamed = [name for name, own in zip(header, records[0], strict=True) if not own.strip()]
    return frame.drop(columns=[name for name in unnamed if frame[name].eq("").all()]), faults


def _filled(record: list[str]) -> bool:
    return any(cell.strip() for cell in record)


def _check_separator(path: Path, text: str) -> None:
    first = text.partition("\n")[0]
    columns = {
        separator: len(next(csv.reader([first], delimiter=separator), []))
        for separator in (",", *OTHER_SEPARATORS)
    }
    for separator, name in OTHER_SEPARATORS.items():
        if columns[separator] > columns[","]:
            raise fail(path, f"its columns are separated by {name}",
                       "Save it as comma separated text, UTF-8")  # fmt: skip


def _decode(path: Path) -> str:
    if not path.is_file():
        raise fail(path, "there is no such file", "Check the path")
    if path.stat().st_size > MAX_BYTES:
        raise fail(path, "the file is larger than 512 MB", "Name the table of contrasts")
    data = path.read_bytes()
    if not data.strip():
        raise fail(path, "the file is empty", "It needs a header and one row per contrast")
    if b"\x00" in data:
        raise fail(path, "it is not a CSV file (it holds binary data)", "Save it as CSV, UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(
            path, f"it is not UTF-8 text (byte {error.start})", "Save it as CSV with UTF-8"
        ) from None
